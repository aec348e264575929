// One process of a timing: training steps of a network on random images, alone or as one of several ranks. The argument
// is JSON (`Step`); rank 0 prints the seconds of every step, for each number of shards in turns.
import { createRequire } from 'node:module';

/**
 * @typedef {object} Step
 * @property {string} model
 * @property {number[] | undefined} hidden
 * @property {number} batch The images of all ranks together.
 * @property {(number | null)[]} shards
 * @property {number} threads
 * @property {number} warmup
 * @property {number} iterations
 */

const require = createRequire(import.meta.url);
const lib = new URL('../../dist/lib/', import.meta.url).pathname;
const { Network, createDataset } = require(`${lib}index.js`);
const { SeededRandom } = require(`${lib}data/random.js`);
const { setActivity } = require(`${lib}cli/bench/activity.js`);
const { vgg } = require(`${lib}model/vgg.js`);
const { divide, shardBatches } = require(`${lib}train/rows/shards.js`);
const { rankPlace } = require(`${lib}cluster/ranks/place.js`);
const { agreeOnProcessor, openRanks } = require(`${lib}cluster/ranks/open.js`);

const timesteps = 5;
const activity = 0.12;
const imageBytes = 3 * 32 * 32;

/** @param {Step} step */
async function measure({ model, hidden, batch, shards, threads, warmup, iterations }) {
  const place = rankPlace();
  const ranks = place === null ? null : await openRanks(place);
  if (ranks !== null) await agreeOnProcessor(ranks);
  const description = vgg(model, { classes: 10, timesteps, leak: 0.9, ...(hidden === undefined ? {} : { hidden }) });
  const network = await Network.create(description, { backend: 'cpu', threads, seed: 0 });
  const random = new SeededRandom(0);
  const pixels = Uint8Array.from({ length: batch * imageBytes }, () => random.below(256));
  const labels = Int32Array.from({ length: batch }, () => random.below(10));
  await setActivity(network, pixels.subarray(0, 64 * imageBytes), activity, { signal: undefined, onLayer: () => {} });
  const dataset = createDataset(pixels, labels, [3, 32, 32]);
  const rows = Uint32Array.from(labels.keys());
  const batches = shards.map((count) =>
    count === null
      ? { dataset, indices: rows }
      : { dataset, ...shardBatches(divide(rows, count, ranks), batch, { seed: 0, phase: 'snn', epoch: 0 })(0) },
  );
  const optimizer = { kind: 'sgd', learningRate: 1e-6, momentum: 0.9 };
  /** @type {number[][]} */
  const seconds = shards.map(() => []);
  for (let i = -warmup; i < iterations; i++)
    for (const [k, each] of batches.entries()) {
      const begin = performance.now();
      await network.trainSteps([{ batch: each, optimizer }], { mode: 'snn', communicator: ranks?.handle });
      if (i >= 0) seconds[k]?.push((performance.now() - begin) / 1000);
    }
  if (ranks === null || ranks.rank === 0) console.log(JSON.stringify({ seconds }));
  await network.dispose();
  await ranks?.close();
}

await measure(JSON.parse(process.argv[2] ?? '{}'));
