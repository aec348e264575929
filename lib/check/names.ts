// Unknown names, and the known one that was probably meant: one wording for options, keys of files and choices.
import { OneSpikeError, type ErrorCode } from '../errors';

/** `one of 'a', 'b'`: the choices as the text of an expectation. */
export function oneOfText(choices: readonly string[]): string {
  return `one of ${choices.map((choice) => `'${choice}'`).join(', ')}`;
}

/** ` (did you mean 'x'?)`, or nothing if no candidate is near. */
export function didYouMean(word: unknown, candidates: readonly string[]): string {
  const near = typeof word === 'string' ? suggest(word, candidates) : undefined;
  return near === undefined ? '' : ` (did you mean '${near}'?)`;
}

/** Keys that earlier versions knew by another name. */
const RENAMED = new Map([['kappa', 'surrogateScale']]);

/** The error of an object at `where` that holds a key which means nothing there. */
export function unknownKey(
  where: string,
  key: string,
  known: readonly string[],
  code: ErrorCode = 'ERR_ARG',
): OneSpikeError {
  const renamed = known.find((name) => name === RENAMED.get(key));
  const hint =
    renamed !== undefined
      ? ` (it is called '${renamed}' now)`
      : didYouMean(key, known) || ` (known: ${known.join(', ')})`;
  return new OneSpikeError(code, `Expected known keys for ${where} but received the unknown key '${key}'${hint}`);
}

/**
 * The candidate nearest to `word`, if it is near enough to be a slip of the pen: at most a third of the letters differ.
 */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best !== undefined && bestDistance <= Math.max(1, Math.floor(best.length / 3)) ? best : undefined;
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 32) return Infinity; // hopeless; spares the quadratic work for giant keys
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2]! + 1 : Infinity;
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1, swapped));
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}
