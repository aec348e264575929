// Files that PyTorch wrote (scripts/references/exchange-files.py), and what it computed with them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Network } from '../../lib/model/network';
import type { ImportedModel } from '../../lib/exchange';

export const fileOf = (name: string): string => join(__dirname, 'files', name);

export const expected = JSON.parse(readFileSync(fileOf('expected.json'), 'utf8')) as Record<string, number[]>;

/** The pixels of the images that PyTorch saw. */
export function pixelsOf(images: number, [channels, height, width]: readonly number[]): Uint8Array {
  return Uint8Array.from({ length: images * channels! * height! * width! }, (_, i) =>
    Number((BigInt(i) * BigInt(i) * 31n + 7n * BigInt(i)) % 256n),
  );
}

/** The logits of the ANN of an imported model. */
export async function annLogits({ network: description, tensors }: ImportedModel, images = 4): Promise<number[]> {
  const network = await Network.create(description, { backend: 'cpu', threads: 1 });
  try {
    await network.setParameters(tensors);
    const { logits } = await network.forward(pixelsOf(images, description.input), { mode: 'ann' });
    return [...logits];
  } finally {
    await network.dispose();
  }
}

/** The largest difference of two lists of numbers. */
export function largestDifference(a: readonly number[], b: readonly number[]): number {
  expect(a).toHaveLength(b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}
