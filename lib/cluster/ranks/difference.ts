// In what the ranks differ that should be the same, in words.

/**
 * The sentence that names the ranks whose value is not that of most; undefined if all are equal. Of objects in JSON it
 * names the key.
 */
export function differenceOf(what: string, values: readonly string[], names: readonly string[]): string | undefined {
  const usual = usualOf(values);
  const others = values.flatMap((value, rank) => (value === usual ? [] : [rank]));
  if (others.length === 0) return undefined;
  const rank = others[0]!;
  const { key, expected, received } = differingPart(usual, values[rank]!);
  const place = key === '' ? what : `${what} (${key})`;
  const more = others.length > 1 ? ` (and ${others.length - 1} more that differ)` : '';
  return (
    `Expected the same on all ranks for ${place}, ${expected} on most, ` +
    `but received ${received} on ${names[rank]!}${more}`
  );
}

/** The value of most ranks; of several that are as frequent, that of the lowest rank. */
function usualOf(values: readonly string[]): string {
  const count = (value: string): number => values.filter((other) => other === value).length;
  return values.reduce((best, value) => (count(value) > count(best) ? value : best));
}

/** The first part of two texts in JSON that differs, or the texts as a whole. */
function differingPart(expected: string, received: string): { key: string; expected: string; received: string } {
  let [a, b] = [parsed(expected), parsed(received)];
  const path: string[] = [];
  while (hasParts(a) && hasParts(b)) {
    const [one, other] = [a, b];
    const key = [...new Set([...Object.keys(one), ...Object.keys(other)])].find(
      (each) => JSON.stringify(one[each]) !== JSON.stringify(other[each]),
    );
    if (key === undefined) break;
    path.push(key);
    [a, b] = [one[key], other[key]];
  }
  if (path.length === 0) return { key: '', expected, received };
  return { key: path.join('.'), expected: JSON.stringify(a) ?? 'none', received: JSON.stringify(b) ?? 'none' };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Whether a value has keys: an object, or a list. */
function hasParts(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
