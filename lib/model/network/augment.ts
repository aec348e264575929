// The augmentation of a batch, and the check that turns it into what native code takes.
import { checkBoolean, checkInteger, checkOneOf, checkOptions } from '../../check';
import { LIMITS } from '../../native/limits';
import type { NativeAugment } from '../../native/network';
import { checkLimited } from '../../native/limited';

/** What lies around an image that is cropped at random. */
export const BORDERS = ['zeros', 'reflect'] as const;

/** How images are augmented, on their bytes, in the order of these options; each is off where it is not given. */
export interface AugmentOptions {
  /** The pixels around the image from which a crop of its own size is drawn; 0 for no crop. */
  padding?: number | undefined;
  /** What these pixels are: `zeros` (the default), or the image mirrored at its border (`reflect`). */
  border?: (typeof BORDERS)[number] | undefined;
  /** Whether images are flipped left to right with probability 1/2. */
  flip?: boolean | undefined;
  /** Whether each image is changed by one of the fourteen operations of TrivialAugment, drawn with its strength. */
  trivial?: boolean | undefined;
  /** The side of a square of zeros around a random pixel (Cutout), in pixels; 0 for none. */
  cutout?: number | undefined;
  /**
   * The alpha of Mixup: an image and its label are a share λ of themselves and 1 − λ of another image of the batch, λ
   * from Beta(alpha, alpha); 0 for none.
   */
  mixup?: number | undefined;
  /**
   * The alpha of CutMix, a box of another image and its share of the label; with `mixup` each has probability 1/2; 0
   * for none.
   */
  cutmix?: number | undefined;
}

/** The augmentation of a batch, as a function of seed, step and position in the batch alone. */
export interface Augment extends AugmentOptions {
  /** The seed of the random numbers. */
  seed: number;
  /** The step, which together with the seed selects the random numbers. */
  step: number;
}

const AUGMENT_KEYS = [
  'padding',
  'border',
  'flip',
  'trivial',
  'cutout',
  'mixup',
  'cutmix',
  'seed',
  'step',
] as const satisfies readonly (keyof Augment)[];

/** Whether the options change anything about an image. */
export function augments({ padding = 0, flip, trivial, cutout = 0, mixup = 0, cutmix = 0 }: AugmentOptions): boolean {
  return padding > 0 || flip === true || trivial === true || cutout > 0 || mixup > 0 || cutmix > 0;
}

/** Fills in the defaults. Errors: ERR_ARG. */
export function checkAugment(augment: unknown, name: string): NativeAugment {
  const given = checkOptions(augment, name, AUGMENT_KEYS);
  const { padding = 0, border = 'zeros', flip = false, trivial = false, cutout = 0, mixup = 0, cutmix = 0 } = given;
  return {
    padding: checkInteger(padding, `${name}.padding`, LIMITS.crop),
    reflect: checkOneOf(border, `${name}.border`, BORDERS) === 'reflect',
    flip: checkBoolean(flip, `${name}.flip`),
    trivial: checkBoolean(trivial, `${name}.trivial`),
    cutout: checkInteger(cutout, `${name}.cutout`, LIMITS.cutout),
    mixup: checkLimited(mixup, `${name}.mixup`, 'mix'),
    cutmix: checkLimited(cutmix, `${name}.cutmix`, 'mix'),
    seed: checkInteger(given.seed, `${name}.seed`, { min: 0 }),
    step: checkInteger(given.step, `${name}.step`, { min: 0 }),
  };
}
