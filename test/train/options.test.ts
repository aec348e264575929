// Options of the stages that are off unless a recipe asks: what they refuse, and that a run with them resumes exactly.
import { parseConfig, resolveConfig } from '../../lib/train/config/config';
import { presetConfig } from '../../lib/train/config/presets';

describe('options of a stage', () => {
  test.each([
    ['optimizer.nesterov=1', 'Expected true or false for ann.optimizer.nesterov but received 1'],
    ['optimizer={"kind":"adam","nesterov":true}', "false (only 'sgd' has it, not 'adam') for ann.optimizer.nesterov"],
    ['optimizer={"momentum":0,"nesterov":true}', 'no momentum) for ann.optimizer.nesterov but received true'],
    ['labelSmoothing=1', 'Expected a number in [0, 1) for ann.labelSmoothing but received 1'],
    ['labelSmoothing=-0.1', 'for ann.labelSmoothing but received -0.1'],
    ['labelSmoothing=true', 'for ann.labelSmoothing but received true'],
    ['labelSmooting=0.1', "did you mean 'labelSmoothing'?"],
  ])('ann.%s is refused', (assignment, message) => {
    expect(() => resolveConfig({}, [`ann.${assignment}`])).toThrow(
      expect.objectContaining({ code: 'ERR_ARG', message: expect.stringContaining(message) }),
    );
  });

  test('a configuration of an earlier version, which has none of them, means the same', () => {
    const { ann, snn, ...rest } = presetConfig('vgg9', 'cifar10') as Record<'ann' | 'snn', Record<string, unknown>>;
    const earlier = (phase: Record<string, unknown>): object => {
      const { labelSmoothing: _, optimizer, ...left } = phase as { labelSmoothing: unknown; optimizer: object };
      const { nesterov: __, ...rule } = optimizer as { nesterov: unknown };
      return { ...left, optimizer: rule };
    };
    expect(parseConfig({ ...rest, ann: earlier(ann), snn: earlier(snn) })).toEqual(
      resolveConfig({ preset: 'vgg9', dataset: { name: 'cifar10' } }),
    );
  });
});
