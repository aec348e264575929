#!/usr/bin/env node
// Draws the pictures of docs/CODES.md, docs/codes/NAME.svg: how one neuron tells one value in each code. Above, what
// the neuron compares with its threshold at every step; below, its spikes, as high as what the receiver counts for
// each.
//
//   node scripts/code-pictures.mjs
import fs from 'node:fs';
import path from 'node:path';
import { inRoot, main, say } from './lib.mjs';

const ink = '#7a828c';
const potentialColour = '#3f8fd2';
const thresholdColour = '#c98a1b';
const spikeColour = '#d6457f';
const left = 92;
const width = 600;
const plotTop = 16;
const plotHeight = 92;
const spikeTop = plotTop + plotHeight + 16;
const spikeHeight = 44;
const height = spikeTop + spikeHeight + 26;

/**
 * What one neuron does at each step.
 *
 * @typedef {object} Trace
 * @property {number} first - the number of the first step, 0 or 1
 * @property {number[]} potential - what the threshold is compared with
 * @property {number[]} threshold
 * @property {number[]} worth - what the receiver counts, 0 where there is no spike
 */

/**
 * @param {number} first
 * @param {number} steps
 * @param {(step: number) => { potential: number, threshold: number, worth: number }} at
 * @returns {Trace}
 */
function trace(first, steps, at) {
  const all = Array.from({ length: steps }, (_, i) => at(first + i));
  return {
    first,
    potential: all.map((step) => step.potential),
    threshold: all.map((step) => step.threshold),
    worth: all.map((step) => step.worth),
  };
}

/** The neuron of `single-spike`: an analog input at step 1, then spikes from below; leak 1, threshold 1. */
function singleSpike() {
  const input = [0.45, 0, 0.4, 0.3, 0];
  let potential = 0;
  let fired = false;
  return trace(1, 5, (step) => {
    potential += input[step - 1] ?? 0;
    const fires = !fired && potential > 1;
    fired ||= fires;
    return { potential, threshold: 1, worth: fires ? 1 : 0 };
  });
}

/**
 * A neuron that subtracts from its potential what it sent.
 *
 * @param {number} steps
 * @param {number[]} input - a share for every step, repeated
 * @param {(step: number, fired: boolean) => number} amplitude - the threshold at a step, and the worth of a spike
 */
function subtracting(steps, input, amplitude) {
  let potential = 0;
  let fired = false;
  return trace(0, steps, (step) => {
    potential += input[step % input.length] ?? 0;
    const threshold = amplitude(step, fired);
    const before = potential;
    fired = potential >= threshold;
    if (fired) potential -= threshold;
    return { potential: before, threshold, worth: fired ? threshold : 0 };
  });
}

function burst() {
  let gain = 1;
  return subtracting(16, [0.22], (step, fired) => {
    gain = fired && step > 0 ? 2 * gain : 1;
    return gain / 8;
  });
}

/**
 * A neuron that holds a value and fires once, when a falling threshold reaches it.
 *
 * @param {number} value
 * @param {number} window
 * @param {(step: number) => number} threshold
 * @param {(step: number) => number} worth
 */
function falling(value, window, threshold, worth) {
  let fired = false;
  return trace(0, window + 1, (step) => {
    const fires = !fired && value >= threshold(step);
    fired ||= fires;
    return { potential: value, threshold: threshold(step), worth: fires ? worth(step) : 0 };
  });
}

/** `tsc`: spikes at step 0 and at step n; the receiver counts the time between them. */
function twoSpikes() {
  const steps = 16;
  const n = Math.floor(0.62 * (steps - 1));
  return trace(0, steps, (step) => ({
    potential: step / (steps - 1),
    threshold: 0.62,
    worth: step === 0 || step === n ? 1 : 0,
  }));
}

/** `radix`: the bits of an integer, the highest first; the receiver doubles its sum at every step. */
function radix() {
  const bits = 4;
  let rest = 11;
  return trace(1, bits, (step) => {
    const place = 2 ** (bits - step);
    const before = rest;
    const sends = rest >= place;
    if (sends) rest -= place;
    return { potential: before, threshold: place, worth: sends ? place : 0 };
  });
}

/** @type {Record<string, Trace>} */
const pictures = {
  'single-spike': singleSpike(),
  ttfs: falling(
    0.3,
    8,
    (k) => Math.exp(-(k + 0.5) / 2),
    (k) => Math.exp(-k / 2),
  ),
  'one-spike-phase': falling(
    0.3,
    7,
    (k) => 1.5 ** -(k + 0.5),
    (k) => 1.5 ** -k,
  ),
  radix: radix(),
  rate: subtracting(
    16,
    [0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0].map((spike) => 0.7 * spike),
    () => 1,
  ),
  direct: subtracting(16, [0.3], () => 1),
  phase: subtracting(16, [0.69, 0, 0, 0, 0, 0, 0, 0], (step) => 2 ** -(step % 8)),
  burst: burst(),
  'ttfs-converted': falling(
    0.3,
    80,
    (k) => Math.exp(-k / 20),
    (k) => Math.exp(-k / 20),
  ),
  tsc: twoSpikes(),
};

/**
 * @param {string} name
 * @param {Trace} traced
 */
function draw(name, { first, potential, threshold, worth }) {
  const steps = potential.length;
  const pitch = (width - left - 12) / steps;
  const x = (/** @type {number} */ i) => left + (i + 0.5) * pitch;
  const highest = 1.08 * Math.max(...potential, ...threshold);
  const y = (/** @type {number} */ value) => plotTop + plotHeight * (1 - value / highest);
  const largest = Math.max(...worth, ...threshold);
  const n = (/** @type {number} */ value) => value.toFixed(1);
  const base = spikeTop + spikeHeight;
  const word = (/** @type {number} */ at, /** @type {string} */ words, colour = ink) =>
    `<text x="${left - 10}" y="${n(at)}" text-anchor="end" fill="${colour}">${words}</text>`;
  const steep = threshold.map((value, i) => `${i === 0 ? 'M' : 'L'}${n(x(i) - pitch / 2)} ${n(y(value))}h${n(pitch)}`);
  const dots = potential.map(
    (value, i) => `<circle cx="${n(x(i))}" cy="${n(y(value))}" r="${steps > 40 ? 1.2 : 3}" fill="${potentialColour}"/>`,
  );
  const spikes = worth.map((value, i) => {
    if (value === 0) return '';
    const tall = Math.max(4, (spikeHeight * value) / largest);
    return `<path d="M${n(x(i))} ${base}v${n(-tall)}" stroke="${spikeColour}" stroke-width="4"/>`;
  });
  const every = steps > 40 ? 10 : 1;
  const numbers = potential.map((_, i) =>
    i % every === 0
      ? `<text x="${n(x(i))}" y="${base + 18}" text-anchor="middle" fill="${ink}">${first + i}</text>`
      : '',
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`,
    ' font-family="system-ui, sans-serif" font-size="13">',
    `<title>Potential, threshold and spikes of a neuron in the code ${name}</title>`,
    word(plotTop + plotHeight / 2 - 4, 'potential', potentialColour),
    word(plotTop + plotHeight / 2 + 14, 'threshold', thresholdColour),
    `<path d="M${left} ${plotTop + plotHeight}H${width - 12}M${left} ${base}H${width - 12}" stroke="${ink}" stroke-width="0.7"/>`,
    `<path d="${steep.join('')}" fill="none" stroke="${thresholdColour}" stroke-width="1.5" stroke-dasharray="5 3"/>`,
    ...dots,
    word(spikeTop + spikeHeight / 2 + 4, 'spikes', spikeColour),
    ...spikes,
    word(base + 18, 'step'),
    ...numbers,
    '</svg>\n',
  ].join('');
}

await main(async () => {
  const folder = inRoot('docs/codes');
  fs.mkdirSync(folder, { recursive: true });
  for (const [name, traced] of Object.entries(pictures))
    fs.writeFileSync(path.join(folder, `${name}.svg`), draw(name, traced));
  say(`docs/codes: ${Object.keys(pictures).length} pictures`);
});
