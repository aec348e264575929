// Genes and interactions that begin orthogonal (docs/MATHEMATICS.md, "Initial weights").
import type { FloatTensor } from '../parameters';
import { Pace } from '../scan';
import type { ResolvedNetwork } from '../spec';
import { matrixNames } from './genes';

/**
 * The genes and interactions of a new network, each matrix replaced by its orthogonal factor, which keeps its Frobenius
 * norm. Scales stay as they are, and so does the variance of the weights, on average over random matrices.
 */
export async function orthogonalGenes(
  description: ResolvedNetwork,
  tensors: ReadonlyMap<string, FloatTensor>,
  pace = new Pace(),
): Promise<Map<string, FloatTensor>> {
  const changed = new Map<string, FloatTensor>();
  for (const name of matrixNames(description)) {
    const { shape, data } = tensors.get(name)!;
    const [rows, columns] = shape.slice(-2) as [number, number];
    const result = new Float32Array(data.length);
    for (let at = 0; at < data.length; at += rows * columns)
      result.set(await orthogonalFactor(data.subarray(at, at + rows * columns), rows, columns, pace), at);
    changed.set(name, { shape, data: result });
  }
  return changed;
}

/**
 * The factor Q of the QR decomposition with a positive diagonal of R, of a matrix or, where it is wider than high, of
 * its transpose, times the number that gives it the matrix's Frobenius norm; by the modified Gram-Schmidt process.
 */
async function orthogonalFactor(
  matrix: Float32Array,
  rows: number,
  columns: number,
  pace: Pace,
): Promise<Float32Array> {
  const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)];
  const position = (vector: number, i: number): number =>
    rows <= columns ? vector * columns + i : i * columns + vector;
  const basis: Float64Array[] = [];
  for (let vector = 0; vector < count; vector++) {
    await pace.due();
    const rest = Float64Array.from({ length }, (_, i) => matrix[position(vector, i)]!);
    for (const earlier of basis) {
      const share = dot(rest, earlier);
      for (let i = 0; i < length; i++) rest[i]! -= share * earlier[i]!;
    }
    const size = Math.sqrt(dot(rest, rest));
    basis.push(rest.map((value) => value / size));
  }
  const scale = Math.sqrt(matrix.reduce((sum, value) => sum + value * value, 0) / count);
  const result = new Float32Array(matrix.length);
  basis.forEach((direction, vector) => direction.forEach((value, i) => (result[position(vector, i)] = scale * value)));
  return result;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
