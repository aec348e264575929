// Does a training run keep the speed of a bare step? Epochs of `train`, with data set, crops, checkpoints and events,
// against `bench` on the network and the images of the same run, in turns.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main } from '../scripts/lib.mjs';
import { readArguments } from './arguments.mjs';
import { jsonLines } from './compare/child.mjs';
import { medianOf } from './compare/rows.mjs';

const wanted = 0.95;
const usage = `Compares epochs of training with bare steps of the same network on the same images.

  npm run bench:epochs -- [--models vgg6,vgg9] [--dataset shapes] [--data DIR] [--images 512] [--hidden 4096,4096] [--batch 64]
       [--threads 2] [--rounds 3] [--optimizer sgd] [--prefix "COMMAND"] [--json]

The rate of \`train\` is that of its epoch events. The optimiser is by default that of \`bench\`, at a rate that leaves the network as it is.`;
const values = readArguments(usage, {
  models: 'vgg6,vgg9',
  dataset: 'shapes',
  data: /** @type {string | undefined} */ (undefined),
  images: '512',
  hidden: '4096,4096',
  batch: '64',
  threads: '2',
  rounds: '3',
  optimizer: 'sgd',
  prefix: '',
});
// The optimiser of `bench`, at its rate.
const still = {
  kind: values.optimizer,
  learningRate: 1e-6,
  neuronLearningRate: 1e-6,
  momentum: 0.9,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  amsgrad: false,
  clipNorm: 0,
  weightDecay: 0,
};
const commandLine = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist', 'lib', 'cli', 'main.js');

/**
 * The events of a command.
 *
 * @param {string[]} given
 */
function onespike(...given) {
  const [command, ...args] = [
    ...values.prefix.split(' ').filter(Boolean),
    process.execPath,
    ...process.execArgv,
    commandLine,
    ...given,
    '--threads',
    values.threads,
    '--json',
  ];
  return jsonLines(command, args, process.env);
}

/**
 * A run of `epochs` epochs per phase; `settings` are further keys of its configuration.
 *
 * @param {string} model
 * @param {string} out
 * @param {number} epochs
 * @param {Record<string, unknown>} settings
 */
function train(model, out, epochs, settings) {
  /** @param {Record<string, unknown>} keys */
  const both = (keys) =>
    ['ann', 'snn'].flatMap((phase) => Object.entries(keys).map(([key, value]) => [`${phase}.${key}`, value]));
  const config = {
    'dataset.trainCount': Number(values.images),
    'dataset.testCount': 100,
    'dataset.validation': 0,
    'energy.images': 1,
    'model.width': 1,
    'model.hidden': values.hidden.split(',').map(Number),
    'model.dropout': 0,
    ...Object.fromEntries(both({ epochs, batch: Number(values.batch), augment: { padding: 4, flip: true } })),
    ...settings,
  };
  const set = Object.entries(config).flatMap(([key, value]) => ['--set', `${key}=${JSON.stringify(value)}`]);
  return onespike(
    'train',
    model,
    '--dataset',
    values.dataset,
    ...(values.data === undefined ? [] : ['--data', values.data]),
    '--out',
    out,
    ...set,
  );
}

await main(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onespike-epochs-'));
  try {
    for (const model of values.models.split(',')) {
      const base = join(folder, model);
      await train(model, base, 1, {});
      /** @type {{ phase: string, mode: string, train: number[], bench: number[] }[]} */
      const rates = [
        { phase: 'ann', mode: 'ann-train', train: [], bench: [] },
        { phase: 'snn', mode: 'train', train: [], bench: [] },
      ];
      for (let round = 0; round < Number(values.rounds); round++) {
        const again = join(folder, `${model}-${round}`);
        // The first epoch allocates and faults memory in, as the warm-up of `bench` does.
        const events = await train(model, again, 2, {
          init: join(base, 'model.safetensors'),
          'convert.enabled': false,
          'ann.optimizer': still,
          'snn.optimizer': still,
        });
        for (const { phase, train } of rates) {
          const second = events.filter(
            (event) => event.event === 'epoch' && event.epoch === 2 && event.phase === phase,
          );
          for (const { imagesPerSecond } of second) train.push(imagesPerSecond);
        }
        rmSync(again, { recursive: true });
        const steps = [
          '--batch',
          values.batch,
          '--iterations',
          String(Math.max(1, Math.floor(Number(values.images) / Number(values.batch)))),
        ];
        for (const { mode, bench } of rates) {
          // Warnings about the images, if there are any, come first.
          const timing = (await onespike('bench', '--run', base, '--mode', mode, ...steps)).at(-1);
          bench.push(timing?.imagesPerSecond);
        }
      }
      for (const { phase, train: epochs, bench } of rates) {
        const share = medianOf(epochs) / medianOf(bench);
        const result = {
          event: 'epochs',
          model,
          phase,
          threads: Number(values.threads),
          train: medianOf(epochs),
          bench: medianOf(bench),
          share,
          wanted,
          reached: share >= wanted,
        };
        console.log(
          values.json
            ? JSON.stringify(result)
            : `${model} ${phase}: train ${result.train.toFixed(1)} images/s, bench ${result.bench.toFixed(1)}: ${(100 * share).toFixed(1)} %, wanted ${100 * wanted} %: ${result.reached ? 'reached' : 'missed'}`,
        );
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
