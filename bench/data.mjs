// Does preparing images keep up with training on them? Times crop, flip and encoding on one thread, and training on
// all.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createDataset, Network } from '../dist/index.mjs';
import { main } from '../scripts/lib.mjs';
import { readArguments } from './arguments.mjs';
import { lastJson } from './compare/child.mjs';
import { medianOf } from './compare/rows.mjs';

const wanted = 10;
const augment = { padding: 4, flip: true, seed: 1 };
const usage = `Times crop, flip and encoding of images on one thread, and training on all.

  npm run bench:data -- [--models vgg6,vgg9] [--batch 64] [--threads 2] [--iterations 5] [--prefix "COMMAND"] [--json]

Images are random 3x32x32 bytes in native memory. They are prepared for a network of one pool and ten neurons, whose own work is
counted in: the rate is a lower bound.`;
const values = readArguments(usage, { models: 'vgg6,vgg9', batch: '64', threads: '2', iterations: '5', prefix: '' });

/**
 * Images per second that one thread crops, flips and encodes.
 *
 * @param {number} batch
 */
async function preparation(batch) {
  const shape = /** @type {[number, number, number]} */ ([3, 32, 32]);
  const count = 5000;
  const random = Uint8Array.from({ length: count * 3 * 32 * 32 }, () => Math.floor(256 * Math.random()));
  const dataset = createDataset(random, new Int32Array(count), shape);
  /** @type {import('../dist/index.mjs').LayerDescription[]} */
  const layers = [
    { type: 'avgpool', kernel: 32 },
    { type: 'linear', out: 10, output: true },
  ];
  const network = await Network.create({ input: shape, timesteps: 5, layers }, { backend: 'cpu', threads: 1 });
  const rates = [];
  for (let step = 0; step < 200; step++) {
    const indices = Uint32Array.from({ length: batch }, () => Math.floor(count * Math.random()));
    const started = performance.now();
    await network.evaluate({ dataset, indices, augment: { ...augment, step } });
    rates.push((1000 * batch) / (performance.now() - started));
  }
  await network.dispose();
  dataset.dispose();
  return medianOf(rates);
}

const commandLine = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist', 'lib', 'cli', 'main.js');
await main(async () => {
  const prepared = await preparation(Number(values.batch));
  for (const model of values.models.split(',')) {
    for (const mode of ['train', 'ann-train']) {
      const flags = ['--batch', values.batch, '--threads', values.threads, '--iterations', values.iterations];
      const [command, ...args] = [
        ...values.prefix.split(' ').filter(Boolean),
        process.execPath,
        ...process.execArgv,
        commandLine,
        'bench',
        model,
        mode,
        ...flags,
        '--json',
      ];
      const { imagesPerSecond } = await lastJson(command, args, process.env);
      const ratio = prepared / imagesPerSecond;
      const result = {
        event: 'data',
        model,
        mode,
        threads: Number(values.threads),
        preparedPerSecond: prepared,
        trainedPerSecond: imagesPerSecond,
        ratio,
        wanted,
        reached: ratio >= wanted,
      };
      console.log(
        values.json
          ? JSON.stringify(result)
          : `${model} ${mode}: ${prepared.toFixed(0)} images/s prepared on one thread, ${imagesPerSecond.toFixed(1)} trained on ${values.threads}: ${ratio.toFixed(1)} times, wanted ${wanted}: ${result.reached ? 'reached' : 'missed'}`,
      );
    }
  }
});
