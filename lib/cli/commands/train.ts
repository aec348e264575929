/** `train` and `resume`. */
import { access, readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import { BACKEND_CHOICES } from '../../native/devices';
import { checkOneOf } from '../../check';
import { datasetNames } from '../../data';
import { isOneSpikeError, OneSpikeError } from '../../errors';
import { decodeText, parseJson } from '../../io/json-text';
import { resolveConfig, type TrainConfig, type TrainConfigInput } from '../../train/config/config';
import { defaultDataset, presetNames } from '../../train/config/presets';
import type { TrainEvent } from '../../train/run/events';
import { resume, train } from '../../train/loop/train';
import { listenForInterrupt } from '../interrupt';
import { Output } from '../output';
import { shortPath, TrainView } from '../train-view';
import { asUsage, backendOption, deviceOption, integerOption, precisionOption, UsageError } from '../usage';

interface TrainFlags {
  dataset?: string;
  data?: string;
  out?: string;
  seed?: number;
  backend?: string;
  device?: number;
  threads?: number;
  precision?: string;
  set: string[];
  json?: boolean;
}

export function addTrain(program: Command): void {
  program
    .command('train')
    .description('train a network: ANN, conversion, spiking network')
    .argument(
      '[preset|config.json]',
      'a preset (see `onespike presets`) or a configuration file; default: vgg6 on shapes',
    )
    .option('--dataset <name>', `${datasetNames.join(', ')} (default: ${defaultDataset}, or folder with --data)`)
    .option('--data <dir>', 'where the files of the data set are')
    .option('--out <run>', 'folder of the run (default: runs/NAME-DATE-TIME)')
    .option('--seed <n>', 'seed of weights, split, order and augmentation', integerOption(0))
    .addOption(backendOption())
    .addOption(deviceOption())
    .option('--threads <n>', 'compute threads (default: all cores)', integerOption(1))
    .addOption(precisionOption())
    .option(
      '--set <key=value>',
      'set one key of the configuration; may be repeated',
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      `
Examples:
  $ onespike train                                        a small network on the embedded images, some minutes
  $ onespike train vgg16 --dataset cifar10 --data cifar-10-batches-bin
  $ onespike train vgg9 --set snn.epochs=3 --set snn.optimizer.learningRate=2e-4
  $ onespike presets vgg9 --dataset mnist > my.json && onespike train my.json --out runs/mine

Ctrl-C saves the exact position; \`onespike resume RUN\` continues there, bit-identical to an uninterrupted run.`,
    )
    .action(async (name: string | undefined, flags: TrainFlags) => {
      const output = new Output(flags.json === true);
      const config = await configOf(name, flags);
      await follow(output, (signal) => train(config, { signal, progressSeconds: output.interactive ? 0.2 : 5 }));
    });

  program
    .command('resume')
    .description('continue an interrupted run')
    .argument('<run>', 'folder of the run')
    .option(
      '--backend <name>',
      'auto, cpu or cuda; with another one than before the result is not bit-identical (default: the same)',
    )
    .addOption(deviceOption())
    .option('--threads <n>', 'compute threads; the result does not depend on it', integerOption(1))
    .option('--accept-changed-data', 'go on although the images are not those that the run began with')
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      `
Example:
  $ onespike resume runs/vgg6-shapes-20260102-030405`,
    )
    .action(
      async (
        run: string,
        {
          json,
          backend,
          ...options
        }: { backend?: string; device?: number; threads?: number; acceptChangedData?: boolean; json?: boolean },
      ) => {
        const output = new Output(json === true);
        const choice =
          backend === undefined ? undefined : asUsage(() => checkOneOf(backend, '--backend', BACKEND_CHOICES));
        await follow(output, (signal) =>
          resume(run, { signal, backend: choice, ...options, progressSeconds: output.interactive ? 0.2 : 5 }),
        );
      },
    );
}

/** Argument and flags as one configuration. Every mistake in them is a usage error. */
export async function configOf(name: string | undefined, flags: TrainFlags): Promise<TrainConfig> {
  const input = name === undefined ? {} : (await isFile(name)) ? await readConfig(name) : { preset: name };
  const { dataset, data, out, seed, backend, device, threads, precision } = flags;
  const given = { 'dataset.name': dataset, 'dataset.directory': data, out, seed, backend, device, threads, precision };
  const overrides = Object.entries(given).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${JSON.stringify(value)}`],
  );
  return asUsage(
    () => resolveConfig(input as TrainConfigInput, [...flags.set, ...overrides]),
    '`onespike presets NAME` prints every key of a configuration',
  );
}

/** A preset has a plain name, so whatever looks like a path or is one is a file; `-` is standard input. */
async function isFile(name: string): Promise<boolean> {
  if (name === '-' || name.includes('/') || /\.jsonc?$/i.test(name)) return true;
  if ((presetNames as readonly string[]).includes(name)) return false;
  return access(name).then(
    () => true,
    () => false,
  );
}

async function readConfig(name: string): Promise<unknown> {
  const title = name === '-' ? 'standard input' : name;
  const bytes = await (name === '-' ? buffer(process.stdin) : readFile(name)).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      `Could not read ${title}: ${error.code === 'ENOENT' ? 'no such file' : error.message}`,
      '`onespike presets NAME > config.json` writes one',
    );
  });
  return asUsage(
    () => parseJson(decodeText(bytes), title),
    'a configuration is JSON without comments; `onespike presets NAME` prints one',
  );
}

/** Shows the events; an interruption that was saved says how to continue. */
async function follow(output: Output, start: (signal: AbortSignal) => AsyncGenerator<TrainEvent>): Promise<void> {
  const view = new TrainView(output);
  const { signal, release } = listenForInterrupt(output);
  let saved: string | undefined;
  try {
    for await (const event of start(signal)) {
      output.event(event);
      view.show(event);
      if (event.event === 'saved') saved = event.run;
    }
  } catch (error) {
    if (saved !== undefined && isOneSpikeError(error)) {
      throw new OneSpikeError(error.code, `Interrupted and saved. Continue by: onespike resume ${shortPath(saved)}`, {
        cause: error,
      });
    }
    throw error;
  } finally {
    output.clear();
    release();
  }
}
