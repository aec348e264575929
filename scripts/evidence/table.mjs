// What each technique gains and costs, from the results of trials.
import { createRequire } from 'node:module';
import { inRoot } from '../lib.mjs';

const require = createRequire(import.meta.url);
/** @type {typeof import('../../lib/cluster/ranking.js')} */
const { spreadOf } = require(inRoot('dist/lib/cluster/ranking.js'));
/** @type {typeof import('../../lib/io/text/markdown.js')} */
const { markdown } = require(inRoot('dist/lib/io/text/markdown.js'));

/**
 * The result of a trial, as `onespike sweep` writes it.
 *
 * @typedef {{
 *   parameters: { arm: string }, seed: number, status: string, run: string, seconds: number,
 *   validationAccuracy: number | null, testAccuracy: number | null, spikesPerNeuron: number | null, energyRatio: number
 * | null, }} Result
 *
 * The trials of a technique, in numbers: means over its seeds.
 *
 * @typedef {{
 *   arm: string, seeds: number, failed: number, validation: number, deviation: number, gain: number, test: number,
 *   spikes: number | null, energyRatio: number | null, seconds: number, cost: number,
 * }} Row
 */

const BASELINE = 'baseline';
/** The arms that are no single technique: none, all, and those together that gained most alone. */
export const SPECIAL = [BASELINE, 'all together', 'those that gain'];

/** @param {readonly number[]} values */
const mean = (values) => spreadOf(values)?.mean ?? NaN;

/**
 * The mean of what is there, or null.
 *
 * @param {readonly (number | null)[]} values
 */
const meanOrNull = (values) => spreadOf(values.filter((value) => value !== null))?.mean ?? null;

/**
 * A row for every technique, in the order of the study. Gains and costs are those of the same seeds: a technique with
 * one seed is compared with the baseline of that seed. Fails unless the baseline has every seed that a technique has.
 *
 * @param {readonly Result[]} results
 * @returns {Row[]}
 */
export function rowsOf(results) {
  const arms = [...new Set(results.map(({ parameters }) => parameters.arm))];
  const done = results.filter(({ status }) => status === 'done');
  const baseline = new Map(
    done.filter(({ parameters }) => parameters.arm === BASELINE).map((result) => [result.seed, result]),
  );
  return arms.map((arm) => {
    const own = done.filter(({ parameters }) => parameters.arm === arm);
    const ended = results.filter(({ parameters }) => parameters.arm === arm).length;
    const pairs = own.map((result) => {
      const beside = baseline.get(result.seed);
      if (beside === undefined)
        throw new Error(`the baseline has no result of seed ${result.seed}, which '${arm}' has`);
      return { result, beside };
    });
    const accuracies = own.map(({ validationAccuracy }) => validationAccuracy ?? 0);
    return {
      arm,
      seeds: own.length,
      failed: ended - own.length,
      validation: mean(accuracies),
      deviation: spreadOf(accuracies)?.deviation ?? 0,
      gain: mean(
        pairs.map(({ result, beside }) => (result.validationAccuracy ?? 0) - (beside.validationAccuracy ?? 0)),
      ),
      test: mean(own.map(({ testAccuracy }) => testAccuracy ?? 0)),
      spikes: meanOrNull(own.map(({ spikesPerNeuron }) => spikesPerNeuron)),
      energyRatio: meanOrNull(own.map(({ energyRatio }) => energyRatio)),
      seconds: mean(own.map(({ seconds }) => seconds)),
      cost: mean(pairs.map(({ result, beside }) => result.seconds / beside.seconds)),
    };
  });
}

/**
 * The techniques that gain most, the best first, by validation accuracy: test images choose nothing.
 *
 * @param {readonly Row[]} rows
 * @param {number} count
 */
export function bestArms(rows, count) {
  return rows
    .filter(({ arm, seeds }) => !SPECIAL.includes(arm) && seeds > 0)
    .sort((a, b) => b.gain - a.gain)
    .slice(0, count)
    .map(({ arm }) => arm);
}

/** @param {number} share @param {number} [digits] */
const points = (share, digits = 2) => (100 * share).toFixed(digits);

/** @param {number} value */
const signed = (value) => `${value < 0 ? '−' : '+'}${points(Math.abs(value))}`;

/**
 * The rows as a table of Markdown, the largest gain first, but for the baseline on top.
 *
 * @param {readonly Row[]} rows
 */
export function gainTable(rows) {
  const ordered = [...rows].sort((a, b) => order(b) - order(a));
  const noise = rows.find(({ arm }) => arm === BASELINE)?.deviation ?? 0;
  const lines = ordered.map((row) => {
    const { arm, seeds, failed, validation, deviation, gain, test, spikes, energyRatio, seconds, cost } = row;
    if (seeds === 0) return [arm, `0 of ${failed}`, ...Array.from({ length: 7 }, () => '–')];
    return [
      arm,
      failed === 0 ? String(seeds) : `${seeds} of ${seeds + failed}`,
      `${points(validation)} %${seeds > 1 ? ` ± ${points(deviation)}` : ''}`,
      arm === BASELINE ? '–' : signed(gain),
      `${points(test)} %`,
      spikes === null ? '–' : spikes.toFixed(3),
      energyRatio === null ? '–' : energyRatio.toFixed(1),
      seconds.toFixed(0),
      arm === BASELINE ? '–' : `${cost >= 1 ? '+' : '−'}${Math.abs(100 * (cost - 1)).toFixed(0)} %`,
    ];
  });
  const heading = [
    'technique',
    'seeds',
    'validation',
    'gain in points',
    'test',
    'spikes/neuron',
    'ANN / SNN',
    'seconds',
    'time',
  ];
  return (
    markdown([heading, ...lines]) +
    `\nGains are differences of validation accuracy to the baseline with the same seeds. Over its seeds the baseline has a standard\n` +
    `deviation of ${points(noise)} points: a gain of one seed that is smaller than ${points(2 * Math.SQRT2 * noise)} (two deviations of a difference) says nothing.\n`
  );
}

/** @param {Row} row */
const order = ({ arm, gain, seeds }) => (arm === BASELINE ? Infinity : seeds === 0 ? -Infinity : gain);

/**
 * How many neurons of a layer fired at each step: T + 1 counts, those that never fired first.
 *
 * @typedef {{ layer: number, neurons: number, images: number, counts: ArrayLike<number> }} LayerTimes
 */

/**
 * Shares of the neurons of each layer that fire at each step, and a remark where nearly all spikes are at the first
 * one.
 *
 * @param {string} arm
 * @param {readonly LayerTimes[]} times
 */
export function timesTable(arm, times) {
  const steps = Math.max(0, ...times.map(({ counts }) => counts.length - 1));
  if (steps === 0) return `### ${arm}\n\nNo spike times were recorded.\n`;
  /** @param {ArrayLike<number>} counts */
  const spikesOf = (counts) => Array.from(counts).slice(1);
  /** @param {readonly number[]} counts */
  const sum = (counts) => counts.reduce((total, count) => total + count, 0);
  const rows = times.map(({ layer, neurons, images, counts }) => [
    `layers.${layer}`,
    ...Array.from(counts, (count) => `${points(count / (neurons * images), 1)} %`),
  ]);
  const all = times.map(({ counts }) => spikesOf(counts));
  const first = sum(all.map(([count = 0]) => count)) / Math.max(1, sum(all.map(sum)));
  const heading = ['layer', 'never', ...Array.from({ length: steps }, (_, i) => `t = ${i + 1}`)];
  const remark =
    first > 0.8 && steps > 1
      ? `${points(first, 1)} % of all spikes are at t = 1: more time steps buy little here.`
      : `${points(first, 1)} % of all spikes are at t = 1.`;
  return `### ${arm}\n\n${markdown([heading, ...rows])}\n${remark}\n`;
}
