// Numbers of several records, which counters of one network add up in parts.

/** Returns the numbers of the records, one record after the other, and sets them to zero. */
export function takeSums<Key extends string>(records: readonly Record<Key, number>[], keys: readonly Key[]): number[] {
  const sums = records.flatMap((record) => keys.map((key) => record[key]));
  for (const record of records) for (const key of keys) record[key] = 0;
  return sums;
}

/** Adds numbers as `takeSums` returns them. */
export function addSums<Key extends string>(
  records: readonly Record<Key, number>[],
  keys: readonly Key[],
  sums: ArrayLike<number>,
): void {
  records.forEach((record, i) => keys.forEach((key, k) => (record[key] += sums[i * keys.length + k]!)));
}
