// The tables of docs/SCALING.md.
import { createRequire } from 'node:module';
import { computeOf, cpuStep, gpuStep } from './model.mjs';

/**
 * @typedef {import('./model.mjs').Exchange} Exchange
 * @typedef {{ batch: number, seconds: number }} Timed
 * @typedef {{ name: string, threads: number, ranks: number, four: number, small: Timed, large: Timed,
 *             cost: { images: number, plain: number, divided: number }[], bytes: number }} Measured
 */

/** @type {typeof import('../../lib/io/text/markdown.js')} */
const { markdown } = createRequire(import.meta.url)('../../dist/lib/io/text/markdown.js');
/**
 * @param {string[]} head
 * @param {string[][]} rows
 */
const table = (head, rows) => markdown([head, ...rows]).trimEnd();
/** @param {number} seconds */
const ms = (seconds) => (seconds < 0.01 ? (1000 * seconds).toPrecision(3) : (1000 * seconds).toFixed(0));
/** @param {number} share */
const percent = (share) => `${(100 * share).toFixed(1)} %`;

/**
 * @param {readonly Measured[]} measured
 * @param {number} batch
 */
export const rankTable = (measured, batch) =>
  table(
    [`batch ${batch}, shards 2`, '1 process x 2 threads, ms', '2 ranks x 1 thread, ms', 'rate of 2 ranks / 1 process'],
    measured.map(({ name, threads, ranks }) => [name, ms(threads), ms(ranks), (threads / ranks).toFixed(3)]),
  );

/** @param {readonly Measured[]} measured */
export const costTable = (measured) =>
  table(
    ['1 process x 2 threads', 'batch', 'shards null, ms', 'shards 8, ms', 'cost of shards 8'],
    measured.flatMap(({ name, cost }) =>
      cost.map(({ images, plain, divided }) => [
        name,
        String(images),
        ms(plain),
        ms(divided),
        percent(divided / plain - 1),
      ]),
    ),
  );

/** @param {readonly Exchange[]} exchanges */
export const exchangeTable = (exchanges) =>
  table(
    ['bytes each way', 'exchange, ms', 'GB/s each way', 'addition, ms'],
    exchanges.map(({ bytes, exchange, add }) => [
      String(bytes),
      ms(exchange),
      (bytes / exchange / 1e9).toFixed(2),
      ms(add),
    ]),
  );

/**
 * @param {readonly Measured[]} measured
 * @param {readonly Exchange[]} exchanges
 * @param {{ batch: number, cores: number }} place
 */
export const validationTable = (measured, exchanges, { batch, cores }) =>
  table(
    [
      `batch ${batch}, 1 thread a rank`,
      'gradient, MB',
      'ranks',
      'compute, ms',
      'communication, ms',
      'predicted, ms',
      'measured, ms',
      'error',
    ],
    measured.flatMap(({ name, bytes, small, large, ranks: two, four }) => {
      const compute = computeOf(small, large);
      return /** @type {[number, number][]} */ ([
        [2, two],
        [4, four],
      ]).map(([ranks, seconds]) => {
        const step = cpuStep({ compute, exchanges, bytes, batch, ranks, cores });
        return [
          name,
          (bytes / 1e6).toFixed(1),
          ranks > cores ? `${ranks} (on ${cores} cores)` : String(ranks),
          ms(step.computing),
          ms(step.communication),
          ms(step.seconds),
          ms(seconds),
          percent(step.seconds / seconds - 1),
        ];
      });
    }),
  );

/**
 * A paragraph in the lines of the documents, of 120 columns.
 *
 * @param {string} text
 */
export const paragraph = (text) => text.replace(/(.{1,120})(?: +|$)/g, '$1\n').trimEnd();

const gpuCounts = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
/** Images on each GPU where the batch grows with them, and the batch that stays. */
const [imagesPerGpu, wholeBatch] = [64, 4096];
const timesteps = 5;

/**
 * @param {readonly import('./model.mjs').Model[]} models
 * @param {import('./model.mjs').Cluster} cluster
 */
export function gpuTables(models, cluster) {
  const assumptions =
    `Predicted, not measured: GPUs of ${(cluster.peak / 1e12).toFixed(0)} TFLOP/s of which training is assumed to reach ` +
    `${percent(cluster.share)}; ${cluster.perHost} on a host; ${cluster.inside / 1e9} GB/s between GPUs of a host, ` +
    `${cluster.outside / 1e9} GB/s for each GPU between hosts, ${cluster.pcie / 1e9} GB/s to the host; ` +
    `${1e6 * cluster.latency} microseconds a message; T = ${timesteps}.`;
  const tables = models.map((model) => {
    const head = [
      `${model.name}, ${(model.parameters / 1e6).toFixed(1)} M parameters: GPUs`,
      `${imagesPerGpu} images a GPU, ms`,
      'efficiency, through the host',
      'efficiency, ring in the stream',
      `batch ${wholeBatch}, ms`,
      'efficiency, through the host',
      'efficiency, ring in the stream',
    ];
    const rows = gpuCounts.map((gpus) => [
      String(gpus),
      ...efficiencies(model, gpus, cluster, imagesPerGpu),
      ...efficiencies(model, gpus, cluster, wholeBatch / gpus),
    ]);
    return table(head, rows);
  });
  return [paragraph(assumptions), ...tables].join('\n\n');
}

/**
 * @param {import('./model.mjs').Model} model
 * @param {number} gpus
 * @param {import('./model.mjs').Cluster} cluster
 * @param {number} images
 */
function efficiencies(model, gpus, cluster, images) {
  const step = gpuStep({ model, timesteps, images, gpus, cluster });
  return [ms(step.computing), percent(step.computing / step.throughHost), percent(step.computing / step.ring)];
}
