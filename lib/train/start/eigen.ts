// Eigenvalues and eigenvectors of symmetric matrices, by Jacobi's rotations.
import type { Pace } from '../../model/scan';

/** Eigenvalues, the largest first, and their eigenvectors of length 1 in the same order. */
export interface Eigen {
  values: Float64Array;
  vectors: Float64Array[];
}

/** More than any symmetric matrix needs: each sweep at least squares what is left off the diagonal. */
const MOST_SWEEPS = 50;

/** Decomposes a symmetric matrix (size, size), which it overwrites. */
export async function eigenOf(matrix: Float64Array, size: number, pace: Pace): Promise<Eigen> {
  const vectors = Float64Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
  for (let sweep = 0; sweep < MOST_SWEEPS && !isDiagonal(matrix, size); sweep++)
    for (let p = 0; p < size - 1; p++) {
      await pace.due();
      for (let q = p + 1; q < size; q++) rotate(matrix, vectors, size, p, q);
    }
  const order = Array.from({ length: size }, (_, i) => i).sort(
    (a, b) => matrix[b * (size + 1)]! - matrix[a * (size + 1)]!,
  );
  return {
    values: Float64Array.from(order, (i) => matrix[i * (size + 1)]!),
    vectors: order.map((i) => Float64Array.from({ length: size }, (_, row) => vectors[row * size + i]!)),
  };
}

/** Whether what is off the diagonal is rounding beside what is on it. */
function isDiagonal(matrix: Float64Array, size: number): boolean {
  let on = 0;
  let off = 0;
  matrix.forEach((value, i) => {
    if (i % (size + 1) === 0) on += value * value;
    else off += value * value;
  });
  return off <= 1e-26 * on;
}

/** Turns axes p and q so that element (p, q) becomes 0, and the eigenvectors with them. */
function rotate(matrix: Float64Array, vectors: Float64Array, size: number, p: number, q: number): void {
  const element = matrix[p * size + q]!;
  if (element === 0) return;
  const theta = (matrix[q * (size + 1)]! - matrix[p * (size + 1)]!) / (2 * element);
  const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const cosine = 1 / Math.sqrt(tangent * tangent + 1);
  const sine = tangent * cosine;
  const turn = (values: Float64Array, a: number, b: number): void => {
    const [first, second] = [values[a]!, values[b]!];
    values[a] = cosine * first - sine * second;
    values[b] = sine * first + cosine * second;
  };
  for (let i = 0; i < size; i++) turn(matrix, i * size + p, i * size + q);
  for (let i = 0; i < size; i++) turn(matrix, p * size + i, q * size + i);
  for (let i = 0; i < size; i++) turn(vectors, i * size + p, i * size + q);
}
