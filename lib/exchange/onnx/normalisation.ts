// The normalisation of the image within an ONNX model, as mean and deviation of p / 255.
import { OneSpikeError } from '../../errors';
import { DATA_TYPES } from './write';
import type { ImageStep } from './chain';
import type { OnnxInput } from './read';

export interface Normalisation {
  mean: number[];
  std: number[];
}

/**
 * The mean and the deviation that products and sums on the image come to; nothing if there are none and the image is
 * not one of bytes. Floats are taken as p / 255. Errors: ERR_FORMAT for constants that are no number for each channel,
 * and for factors that are not above 0.
 */
export async function normalisationOf(
  steps: readonly ImageStep[],
  { type }: OnnxInput,
  channels: number,
  path: string,
): Promise<Normalisation | Record<string, never>> {
  const bytes = type === DATA_TYPES.uint8;
  if (steps.length === 0 && !bytes) return {};
  const factor = new Float64Array(channels).fill(bytes ? 255 : 1);
  const shift = new Float64Array(channels);
  for (const { op, constant } of steps) {
    const numbers = await constant.floats();
    const perChannel = numbers.length === channels && constant.shape.at(-3) === channels;
    if (numbers.length !== 1 && !perChannel)
      throw fault(path, `a number for each of ${channels} channels`, `'${constant.name}'`);
    for (let c = 0; c < channels; c++) {
      const number = numbers[perChannel ? c : 0]!;
      if (op === 'Add') shift[c]! += number;
      if (op === 'Sub') shift[c]! -= number;
      if (op === 'Mul' || op === 'Div') {
        const by = op === 'Mul' ? number : 1 / number;
        factor[c]! *= by;
        shift[c]! *= by;
      }
    }
  }
  const wrong = factor.find((value) => !(value > 0 && value < Infinity));
  if (wrong !== undefined) throw fault(path, 'a factor of the image above 0', String(wrong));
  return { mean: Array.from(factor, (by, c) => -shift[c]! / by), std: Array.from(factor, (by) => 1 / by) };
}

function fault(path: string, what: string, received: string): OneSpikeError {
  return new OneSpikeError('ERR_FORMAT', `Expected ${what} for ${path} but received ${received}`);
}
