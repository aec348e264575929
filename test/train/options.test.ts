// Options of the stages that are off unless a recipe asks: what they refuse, and that a run with them resumes exactly.
import { parseConfig, resolveConfig } from '../../lib/train/config/config';
import { presetConfig } from '../../lib/train/config/presets';

describe('options of a stage', () => {
  test.each([
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
      const { labelSmoothing: _, ...left } = phase;
      return left;
    };
    expect(parseConfig({ ...rest, ann: earlier(ann), snn: earlier(snn) })).toEqual(
      resolveConfig({ preset: 'vgg9', dataset: { name: 'cifar10' } }),
    );
  });
});
