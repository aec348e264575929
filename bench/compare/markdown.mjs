// The table and the view of the targets as markdown.
import { programName } from './programs.mjs';

/**
 * @typedef {import('./cases.mjs').Timing} Timing
 * @typedef {import('./flags.mjs').Options} Options
 * @typedef {import('./rows.mjs').Row} Row
 * @typedef {import('./rows.mjs').Side} Side
 * @typedef {Pick<Timing, 'batch' | 'timesteps' | 'activity' | 'threads'>} Usual
 */

/** @type {(value: number | null | undefined, digits?: number) => string} */
const number = (value, digits = 3) =>
  value === null || value === undefined ? '–' : value >= 10 ** digits ? value.toFixed(0) : value.toPrecision(digits);
/** @param {number | null | undefined} bytes */
const megabytes = (bytes) => (bytes === null || bytes === undefined ? '–' : number(bytes / 1e6));

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 */
function table(head, rows) {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => [...(row[column] ?? '')].length)));
  /** @param {readonly string[]} row */
  const line = (row) => `| ${widths.map((width, i) => padded(row[i] ?? '', width)).join(' | ')} |`;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}

/**
 * A cell with blanks up to its width, counted in characters.
 *
 * @param {string} cell
 * @param {number} width
 */
const padded = (cell, width) => cell + ' '.repeat(width - [...cell].length);

/**
 * What sets a timing apart from the usual ones.
 *
 * @param {Timing} timing
 * @param {Usual} usual
 */
function particulars(timing, usual) {
  const { mode, batch, timesteps, activity, threads, precision, norm, run } = timing;
  return [
    mode,
    ...(precision === undefined ? [] : [precision]),
    ...(norm === undefined ? [] : ['normalised']),
    ...(run === undefined ? [] : ['of a trained network']),
    ...(batch === usual.batch ? [] : [`batch ${batch}`]),
    ...(timesteps === usual.timesteps || mode.startsWith('ann') ? [] : [`T = ${timesteps}`]),
    ...(activity === usual.activity || activity === undefined || mode.startsWith('ann')
      ? []
      : [`activity ${activity}`]),
    ...(threads === usual.threads ? [] : [`${threads} thread${threads === 1 ? '' : 's'}`]),
  ].join(', ');
}

// Single images are a matter of latency.
/** @param {Side | null} side */
const speed = (side) =>
  side === null
    ? '–'
    : side.timing.batch === 1
      ? `${number(side.milliseconds)} ms`
      : `${number(side.imagesPerSecond)} img/s`;
/** @param {Side | null} side */
const memory = (side) => (side === null ? '–' : `${megabytes(side.peakRss)} / ${megabytes(side.workingSet)}`);
/** @param {number | null | undefined} value */
const share = (value) => (value === null || value === undefined ? '–' : value.toFixed(3));

/**
 * The table of all rows.
 *
 * @param {readonly Row[]} rows
 * @param {Options} options
 */
export function tableOf(rows, options) {
  const usual = {
    batch: options.batch,
    timesteps: options.timesteps,
    activity: options.activity,
    threads: options.threads,
  };
  const head = [
    'network',
    'onespike',
    'speed',
    'against',
    'its speed',
    'ratio',
    'spikes/neuron',
    'peak / working set, MB',
    'its peak / working set, MB',
    'working sets',
  ];
  return table(
    head,
    rows.map(({ model, ours, other, ratio, memory: sets }) => [
      model,
      particulars(ours.timing, usual),
      speed(ours),
      other === null
        ? '–'
        : other.timing.program === 'onespike'
          ? `onespike, ${particulars(other.timing, usual)}`
          : programName(other.timing, options),
      speed(other),
      number(ratio),
      share(ours.spikesPerNeuron),
      memory(ours),
      memory(other),
      number(sets),
    ]),
  );
}

/**
 * The machine and the terms of the measurement, as a paragraph.
 *
 * @param {import('../compare.mjs').Machine} machine
 * @param {Options} options
 */
export function terms(machine, options) {
  const { batch, timesteps, activity, threads, rounds, iterations, warmup } = options;
  const runtimes = Object.entries(machine.runtimeRss)
    .filter(([, bytes]) => bytes !== null)
    .map(([name, bytes]) => `${name} ${megabytes(bytes)} MB`)
    .join(', ');
  const versions = Object.entries(machine.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  return (
    `${machine.cpu} (${machine.simd}), ${machine.cores} cores, ${threads} threads; ${machine.date}; ${versions}${options.compile ? ' with torch.compile' : ''}. ` +
    `Batch ${batch}, T = ${timesteps}, ${100 * activity} % of the neurons of every layer firing, unless the row says otherwise. ` +
    `Medians of ${rounds} round${rounds === 1 ? '' : 's'} of all programs in turn, each the median of ${iterations} steps after ${warmup} for warming up. ` +
    'Peak: most resident memory of the process; working set: the same less parameters and, in training, gradients and momentum; it includes interpreter and libraries' +
    `${runtimes === '' ? '' : ` (${runtimes})`}. MB are 10^6 bytes.` +
    (options.run === undefined
      ? ''
      : ' A trained network works on its own images with its own thresholds, and its data set is part of its memory; PyTorch then runs ' +
        'its plain bench of the same shape, for dense work takes the same time whatever the weights are.')
  );
}

/**
 * The targets with what was measured.
 *
 * @param {readonly import('./targets.mjs').Judged[]} judged
 */
export function targetTable(judged) {
  /** @param {boolean | null} reached */
  const verdict = (reached) => (reached === null ? 'not measured' : reached ? 'reached' : 'missed');
  return table(
    ['network', 'target', 'wanted', 'measured', ''],
    judged.map(({ model, what, wanted, atLeast, value, reached }) => [
      model,
      what,
      `${atLeast ? '≥' : '≤'} ${wanted}`,
      number(value),
      verdict(reached),
    ]),
  );
}
