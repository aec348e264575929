// The output of an input encoder for given pixels, computed by native code.
import type { NativeEncoderSpec, NativeInputEncoding } from '../../binding';
import { call } from './addon';

/**
 * What the encoder of a network sends into the first layer. Errors: ERR_ARG for numbers out of range, ERR_NO_BACKEND
 * when the addon cannot be loaded.
 */
export function inputEncoding({ encoder, timesteps, lo, hi, mean, std }: NativeEncoderSpec): NativeInputEncoding {
  return call((module) => module.inputEncoding({ encoder, timesteps, lo, hi, mean, std }));
}
