// What is timed, and what is held against what. A timing says which program does what; a comparison pairs two of them.

/**
 * @typedef {import('./flags.mjs').Options} Options
 * @typedef {import('../../dist/index.mjs').ResolvedNetwork} ResolvedNetwork
 * @typedef {'onespike' | 'pytorch' | 'pytorch-ann' | 'onnxruntime' | 'opponent'} Program
 * @typedef {object} Timing What one program is asked to do.
 * @property {Program} program
 * @property {string} mode
 * @property {string} model
 * @property {number} batch
 * @property {number} timesteps
 * @property {number} [activity] Share of the neurons that fires; absent for a trained network.
 * @property {number} threads
 * @property {number} iterations
 * @property {string} [precision]
 * @property {string} [norm]
 * @property {string} [run]
 * @property {ResolvedNetwork['layers']} [layers] Of the trained network whose shape PyTorch is to time.
 * @typedef {{ name: string, model: string, ours: Timing, other: Timing | null }} Comparison
 * @typedef {(mode: string, changes?: Partial<Timing>) => Timing} Times
 * @typedef {Record<'ours' | 'torch' | 'torchAnn' | 'ort' | 'opponent', Times>} Programs
 */

/** How many times the usual number of steps the case `steps` takes. */
export const longer = 4;

// In the case `latency` a step takes milliseconds: more of them cost nothing and steady the median.
const latencySteps = 30;

/**
 * Timings of one model in the terms of the options.
 *
 * @param {string} model
 * @param {Options} options
 * @returns {Programs}
 */
function timings(model, options) {
  const { batch, timesteps, activity, threads, iterations } = options;
  const base = { model, batch, timesteps, activity, threads, iterations };
  /** @type {(program: Program) => Times} */
  const of =
    (program) =>
    (mode, changes = {}) => ({ program, mode, ...base, ...changes });
  return {
    ours: of('onespike'),
    torch: of('pytorch'),
    torchAnn: of('pytorch-ann'),
    ort: of('onnxruntime'),
    opponent: of('opponent'),
  };
}

/**
 * Per case: pairs of a timing and another one that it is compared with.
 *
 * @type {Record<string, (programs: Programs, options: Options) => [Timing, Timing][]>}
 */
const cases = {
  infer: ({ ours, torch, ort, opponent }) => [
    [ours('infer'), torch('infer')],
    [ours('infer'), ort('ann-infer')],
    [ours('infer'), opponent('infer')],
  ],
  train: ({ ours, torch, opponent }) => [
    [ours('train'), torch('train')],
    [ours('train'), opponent('train')],
  ],
  mixed: ({ ours, torch }) => [[ours('train', { precision: 'mixed' }), torch('train')]],
  'ann-train': ({ ours, torchAnn }) => [[ours('ann-train'), torchAnn('train')]],
  'ann-mixed': ({ ours, torchAnn }) => {
    const mixed = { precision: 'mixed', norm: 'batch' };
    return [[ours('ann-train', mixed), torchAnn('train', mixed)]];
  },
  'ann-infer': ({ ours, torchAnn, ort }) => [
    [ours('ann-infer'), torchAnn('infer')],
    [ours('ann-infer'), ort('ann-infer')],
  ],
  steps: ({ ours }, { timesteps }) =>
    ['infer', 'train'].map((mode) => [ours(mode, { timesteps: longer * timesteps }), ours(mode)]),
  threads: ({ ours }) => ['infer', 'train'].map((mode) => [ours(mode), ours(mode, { threads: 1 })]),
  activity: ({ ours, torch }, { activity }) => [
    [ours('infer', { activity: activity / 2 }), torch('infer', { activity: activity / 2 })],
  ],
  latency: ({ ours, torch, ort }) => {
    const one = { batch: 1, iterations: latencySteps };
    return [
      [ours('infer', one), ort('ann-infer', one)],
      [ours('infer', one), torch('infer', one)],
    ];
  },
};

/** In the order in which they are measured. */
export const caseNames = [...Object.keys(cases), 'run'];

/**
 * A string that is the same for equal timings.
 *
 * @param {Timing} timing
 */
export const keyOf = (timing) => JSON.stringify(timing, Object.keys(timing).sort());

/**
 * Whether the program of a timing is wanted.
 *
 * @param {Timing} timing
 * @param {Options} options
 */
function wanted({ program }, { without, opponent }) {
  if (program === 'opponent') return opponent.length > 0;
  return !without.some((name) => program.startsWith(name));
}

/**
 * The comparisons { name, model, ours, other } of the options, in order. `runNetwork` is the resolved network of
 * `options.run`. A case without anything to compare with still times onespike: `other` is then null.
 *
 * @param {Options} options
 * @param {ResolvedNetwork | null} runNetwork
 * @returns {Comparison[]}
 */
export function comparisonsOf(options, runNetwork) {
  const found = options.models.flatMap((model) =>
    options.cases
      .filter((name) => name !== 'run')
      .flatMap((name) => pairs(name, model, cases[name]?.(timings(model, options), options) ?? [], options)),
  );
  if (!options.cases.includes('run') || options.run === undefined || runNetwork === null) return found;
  const { batch, threads, iterations, run, activity } = options;
  const { name: model, timesteps } = runNetwork;
  /** @type {Timing} */
  const ours = { program: 'onespike', mode: 'train', run, model, batch, timesteps, threads, iterations };
  // Dense work does not depend on the weights: the reference's random network of this shape takes as long as a trained
  // one.
  /** @type {Timing} */
  const torch = {
    program: 'pytorch',
    mode: 'train',
    layers: runNetwork.layers,
    model,
    batch,
    timesteps,
    activity,
    threads,
    iterations,
  };
  return [...found, ...pairs('run', model, [[ours, torch]], options)];
}

/**
 * @param {string} name
 * @param {string} model
 * @param {[Timing, Timing][]} list
 * @param {Options} options
 * @returns {Comparison[]}
 */
function pairs(name, model, list, options) {
  const kept = list
    .filter(([, other]) => wanted(other, options))
    .map(([ours, other]) => ({ name, model, ours, other }));
  if (kept.length > 0) return kept;
  return list.slice(0, 1).map(([ours]) => ({ name, model, ours, other: null }));
}

/**
 * Every timing that the comparisons need, once, those that are compared side by side.
 *
 * @param {readonly Comparison[]} comparisons
 */
export function timingsOf(comparisons) {
  /** @type {Map<string, Timing>} */
  const all = new Map();
  for (const { ours, other } of comparisons)
    for (const timing of [ours, other]) if (timing !== null) all.set(keyOf(timing), timing);
  return [...all.values()];
}
