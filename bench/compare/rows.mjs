// From the rounds of every timing to rows that hold one thing against another.
import { Failure } from '../../scripts/lib.mjs';
import { keyOf } from './cases.mjs';

/**
 * @typedef {import('./cases.mjs').Timing} Timing
 * @typedef {Record<string, any>} Result What a program says of one round.
 * @typedef {ReturnType<typeof summary> & { timing: Timing }} Side
 * @typedef {{ name: string, model: string, ours: Side, other: Side | null, ratio: number | null, memory: number | null }} Row
 */

/**
 * The middle value, or the mean of the two in the middle; null for none.
 *
 * @param {number[]} values
 * @returns {number | null}
 */
export function median(values) {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  /** @param {number} index */
  const at = (index) => sorted[index] ?? Number.NaN;
  return (at((sorted.length - 1) >> 1) + at(sorted.length >> 1)) / 2;
}

/**
 * The same of at least one value. Errors: Failure for none.
 *
 * @param {number[]} values
 */
export function medianOf(values) {
  const middle = median(values);
  if (middle === null) throw new Failure('Expected at least one measurement but received none');
  return middle;
}

/** @param {readonly number[]} values */
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * Medians over the rounds of one timing. `needed`: bytes of parameters, gradients and momentum of its network.
 *
 * @param {readonly Result[]} rounds
 * @param {Result | null} needed
 */
export function summary(rounds, needed) {
  /** @param {(round: Result) => unknown} pick */
  const over = (pick) => median(rounds.map(pick).filter((value) => typeof value === 'number'));
  const rate = over((round) => round.imagesPerSecond);
  const peakRss = over((round) => round.peakRss);
  const held = needed === null ? null : needed.parameterBytes + needed.gradientBytes + needed.optimizerBytes;
  return {
    imagesPerSecond: rate,
    milliseconds: over((round) => round.milliseconds ?? (1000 * round.batch) / round.imagesPerSecond),
    spread:
      rate === null
        ? null
        : (Math.max(...rounds.map((round) => round.imagesPerSecond)) -
            Math.min(...rounds.map((round) => round.imagesPerSecond))) /
          rate,
    spikesPerNeuron: over(
      (round) => round.meanSpikesPerNeuron ?? (round.spikesPerNeuron?.length > 0 ? mean(round.spikesPerNeuron) : null),
    ),
    peakRss,
    // What a program holds before it has any network: interpreter and libraries.
    runtimeRss: over((round) => round.runtimeRss),
    workingSet: peakRss === null || held === null ? null : peakRss - held,
    rounds: rounds.length,
  };
}

/** @type {(a: number | null, b: number | null) => number | null} */
const ratio = (a, b) => (a === null || b === null ? null : a / b);

/**
 * One row per comparison: { name, model, ours, other, ratio, memory }, `ratio` of the rates, `memory` of the working
 * sets (ours by the other's). `results`: from the key of a timing to its rounds.
 *
 * @param {readonly import('./cases.mjs').Comparison[]} comparisons
 * @param {ReadonlyMap<string, Result[]>} results
 * @returns {Row[]}
 */
export function rowsOf(comparisons, results) {
  return comparisons.map(({ name, model, ours, other }) => {
    /** @param {Timing} timing */
    const rounds = (timing) => results.get(keyOf(timing)) ?? [];
    const needed = rounds(ours)[0] ?? null;
    const mine = { timing: ours, ...summary(rounds(ours), needed) };
    if (other === null) return { name, model, ours: mine, other: null, ratio: null, memory: null };
    // The same network in the same mode needs the same; an opponent in another mode needs what its own mode does.
    const theirs = { timing: other, ...summary(rounds(other), needed) };
    return {
      name,
      model,
      ours: mine,
      other: theirs,
      ratio: ratio(mine.imagesPerSecond, theirs.imagesPerSecond),
      memory: ratio(mine.workingSet, theirs.workingSet),
    };
  });
}
