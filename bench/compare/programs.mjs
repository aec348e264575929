// How each program is asked for a timing, and what its answer means.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { resolvedVgg } from './models.mjs';

/**
 * @typedef {import('./cases.mjs').Timing} Timing
 * @typedef {import('./flags.mjs').Options} Options
 * @typedef {import('./models.mjs').OnnxModels} OnnxModels
 */

const bench = dirname(dirname(fileURLToPath(import.meta.url)));
const main = join(bench, '..', 'dist', 'lib', 'cli', 'main.js');

/**
 * Flags with their values; nothing for what is undefined.
 *
 * @param {Record<string, string | number | undefined>} values
 */
const flags = (values) =>
  Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, String(value)]));

/**
 * PyTorch's threads are those that are asked for, and its BLAS is left to choose for this processor.
 *
 * @param {number} threads
 */
function environment(threads) {
  const { OPENBLAS_CORETYPE: _, OPENBLAS_L2_SIZE: __, ...env } = process.env;
  return { ...env, OMP_NUM_THREADS: String(threads) };
}

/** @type {Record<Timing['program'], (timing: Timing, options: Options, models: OnnxModels) => string[]>} */
const commands = {
  // Options of Node.js go on to the programs that run in it.
  onespike: ({ model, mode, run, batch, timesteps, activity, threads, iterations, precision, norm }, { warmup }) => [
    process.execPath,
    ...process.execArgv,
    main,
    'bench',
    '--json',
    ...flags({
      run,
      model: run === undefined ? model : undefined,
      mode,
      batch,
      threads,
      iterations,
      warmup,
      precision,
      norm,
      backend: 'cpu',
    }),
    ...(run === undefined ? flags({ timesteps, activity }) : []),
  ],
  pytorch: (
    { model, mode, batch, timesteps, activity, threads, iterations, layers },
    { python = 'python3', reference = '', warmup, compile },
  ) => [
    python,
    join(bench, 'pytorch-snn.py'),
    reference,
    layers === undefined ? model : 'vgg6',
    mode,
    ...flags({ batch, timesteps, activity, threads, iterations, warmup, layers: layers && JSON.stringify(layers) }),
    ...(compile ? ['--compile'] : []),
  ],
  'pytorch-ann': ({ model, mode, batch, threads, iterations, precision, norm }, { python = 'python3', warmup }) => [
    python,
    join(bench, 'pytorch-ann.py'),
    JSON.stringify(resolvedVgg(model).layers),
    mode,
    ...flags({ batch, threads, iterations, warmup, precision, norm }),
  ],
  onnxruntime: ({ model, batch, threads, iterations }, { warmup }, models) => [
    process.execPath,
    ...process.execArgv,
    join(bench, 'ort.mjs'),
    models.path(model),
    ...flags({ batch, threads, iterations, warmup }),
  ],
  opponent: (timing, { opponent }) =>
    opponent.map((word) =>
      word.replace(/\{(\w+)\}/g, (whole, key) => String(timing[/** @type {keyof Timing} */ (key)] ?? whole)),
    ),
};

/**
 * The command that measures a timing. `models` gives the ONNX file of a network.
 *
 * @param {Timing} timing
 * @param {Options} options
 * @param {OnnxModels} models
 */
export function commandOf(timing, options, models) {
  const [command, ...args] = [...options.prefix, ...commands[timing.program](timing, options, models)];
  return { command, args, env: environment(timing.threads) };
}

/**
 * The name of a program, for people.
 *
 * @param {Pick<Timing, 'program'>} timing
 * @param {Pick<Options, 'opponent'>} options
 * @returns {string}
 */
export function programName({ program }, { opponent }) {
  return {
    onespike: 'onespike',
    pytorch: 'PyTorch',
    'pytorch-ann': 'PyTorch, ANN',
    onnxruntime: 'onnxruntime, ANN',
    opponent: opponent[0] ?? '',
  }[program];
}

/** Is the optional package there? */
export function hasOnnxRuntime() {
  try {
    createRequire(import.meta.url)('onnxruntime-node');
    return true;
  } catch {
    return false;
  }
}
