/** Rows of a data set, cut into batches. */

/** Batch number `step` of the list, `size` rows (the last one holds what is left). */
export function batchRows(order: Uint32Array, step: number, size: number): Uint32Array {
  return order.slice(step * size, (step + 1) * size);
}

export function batchCount(rows: number, size: number): number {
  return Math.ceil(rows / size);
}

/** 0..count-1. */
export function allRows(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => i);
}
