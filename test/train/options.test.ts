// Options of the stages that are off unless a recipe asks: what they refuse, and that a run with them resumes exactly.
import { parseConfig, resolveConfig } from '../../lib/train/config/config';
import { plainAugment, plainPhase, plainRule, plainSchedule, plainSpiking } from '../../lib/train/config/phase';
import { presetConfig } from '../../lib/train/config/presets';

describe('options of a stage', () => {
  test.each([
    ['optimizer.nesterov=1', 'Expected true or false for ann.optimizer.nesterov but received 1'],
    ['schedule.kind=triangle', "did you mean 'triangular'?"],
    ['schedule.peak=1.5', 'Expected a number in [0, 1] for ann.schedule.peak but received 1.5'],
    ['optimizer.ema=1', 'Expected a number in [0, 1) for ann.optimizer.ema but received 1'],
    ['optimizer.ema="0.9"', "for ann.optimizer.ema but received '0.9'"],
    ['augment.border=reflekt', "did you mean 'reflect'?"],
    ['augment.trivial=1', 'Expected true or false for ann.augment.trivial but received 1'],
    ['augment.cutout=-1', 'for ann.augment.cutout but received -1'],
    ['augment.cutout=1.5', 'for ann.augment.cutout but received 1.5'],
    ['augment.mixup=101', 'Expected a number from 0 to 100 for ann.augment.mixup but received 101'],
    ['augment.cutmix=-0.1', 'for ann.augment.cutmix but received -0.1'],
    ['augment.cutmix=true', 'for ann.augment.cutmix but received true'],
    ['augment.mixap=1', "did you mean 'mixup'?"],
    ['accumulate=0', 'Expected an integer from 1 to 65536 for ann.accumulate but received 0'],
    ['accumulate=1.5', 'for ann.accumulate but received 1.5'],
    ['patience=-1', 'Expected an integer of at least 0 for ann.patience but received -1'],
    ['patience=false', 'for ann.patience but received false'],
    ['labelSmoothing=1', 'Expected a number in [0, 1) for ann.labelSmoothing but received 1'],
    ['labelSmoothing=-0.1', 'for ann.labelSmoothing but received -0.1'],
    ['labelSmoothing=true', 'for ann.labelSmoothing but received true'],
    ['labelSmooting=0.1', "did you mean 'labelSmoothing'?"],
  ])('ann.%s is refused', (assignment, message) => {
    expect(() => resolveConfig({}, [`ann.${assignment}`])).toThrow(
      expect.objectContaining({ code: 'ERR_ARG', message: expect.stringContaining(message) }),
    );
  });

  test.each([
    ['kind=adam', "false (only 'sgd' has it, not 'adam') for ann.optimizer.nesterov but received true"],
    ['momentum=0', 'false (there is no momentum) for ann.optimizer.nesterov but received true'],
  ])('nesterov with %s is refused', (assignment, message) => {
    expect(() => resolveConfig({}, ['ann.optimizer.nesterov=true', `ann.optimizer.${assignment}`])).toThrow(
      expect.objectContaining({ code: 'ERR_ARG', message: expect.stringContaining(message) }),
    );
  });

  test('a configuration of an earlier version, which has none of them, means the same', () => {
    const { ann, snn, ...rest } = presetConfig('vgg9', 'cifar10') as Record<'ann' | 'snn', Record<string, unknown>>;
    const earlier = (phase: Record<string, unknown>): object => {
      const left = structuredClone(phase) as Record<string, Record<string, unknown>>;
      for (const key of Object.keys(plainPhase)) delete left[key];
      for (const key of Object.keys(plainAugment)) delete left.augment![key];
      for (const key of Object.keys(plainRule)) delete left.optimizer![key];
      for (const key of Object.keys(plainSchedule)) delete left.schedule![key];
      for (const key of Object.keys(plainSpiking)) delete left[key];
      return left;
    };
    expect(parseConfig({ ...rest, ann: earlier(ann), snn: earlier(snn) })).toEqual(
      resolveConfig({ preset: 'vgg9', dataset: { name: 'cifar10' } }),
    );
  });
});
