// The table and the view of the targets as markdown.
import { programName } from './programs.mjs';

const number = (value, digits = 3) =>
  value === null || value === undefined ? '–' : value >= 10 ** digits ? value.toFixed(0) : value.toPrecision(digits);
const megabytes = (bytes) => (bytes === null || bytes === undefined ? '–' : number(bytes / 1e6));

function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => [...row[column]].length)));
  const line = (row) => `| ${row.map((cell, i) => cell + ' '.repeat(widths[i] - [...cell].length)).join(' | ')} |`;
  return [
    line(rows[0]),
    `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`,
    ...rows.slice(1).map(line),
  ].join('\n');
}

/** What sets a timing apart from the usual ones. */
function particulars(timing, usual) {
  const { mode, batch, timesteps, activity, threads, precision, run } = timing;
  return [
    mode,
    ...(precision === undefined ? [] : [precision]),
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
const speed = (side) =>
  side === null
    ? '–'
    : side.timing.batch === 1
      ? `${number(side.milliseconds)} ms`
      : `${number(side.imagesPerSecond)} img/s`;
const memory = (side) => (side === null ? '–' : `${megabytes(side.peakRss)} / ${megabytes(side.workingSet)}`);
const share = (value) => (value === null || value === undefined ? '–' : value.toFixed(3));

/** The table of all rows. */
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
  return table([
    head,
    ...rows.map(({ model, ours, other, ratio, memory: sets }) => [
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
  ]);
}

/** The machine and the terms of the measurement, as a paragraph. */
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

/** The targets with what was measured. */
export function targetTable(judged) {
  const verdict = (reached) => (reached === null ? 'not measured' : reached ? 'reached' : 'missed');
  return table([
    ['network', 'target', 'wanted', 'measured', ''],
    ...judged.map(({ model, what, wanted, atLeast, value, reached }) => [
      model,
      what,
      `${atLeast ? '≥' : '≤'} ${wanted}`,
      number(value),
      verdict(reached),
    ]),
  ]);
}
