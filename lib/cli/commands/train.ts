// `train` and `resume`.
import { dirname, isAbsolute, join } from 'node:path';
import type { Command } from 'commander';
import { BACKEND_CHOICES } from '../../native/devices';
import { checkOneOf } from '../../check';
import { checkDirectoryNamed, datasetNames } from '../../data';
import { isOneSpikeError, OneSpikeError } from '../../errors';
import { expandHome, shellWord, shortPath } from '../../io/paths';
import { exists } from '../../io/status';
import { resolveConfig, type TrainConfig, type TrainConfigInput } from '../../train/config/config';
import { applyOverride, type PlainObject } from '../../train/config/merge';
import { defaultDataset, presetNames } from '../../train/config/presets';
import { BUDGETS, MOST_MINUTES } from '../../train/config/recipes';
import type { TrainEvent } from '../../train/run/events';
import { resume, train } from '../../train/loop/train';
import { modelConfig } from '../../train/run/model-run';
import { interruptible } from '../interrupt';
import { timeLimit } from '../time-limit';
import { readJsonFile } from '../json-file';
import { Output } from '../output';
import { TrainView } from '../train-view';
import { onRanks, ranksOption, timeLimitOption, type RankFlags } from './cluster/ranks';
import { reportAtEnd } from './pictures/report';
import { watchTraining } from './pictures/watch-training';
import { mlflowOption, tensorboardOption, Trackers, type TrackerFlags } from './tracking/trackers';
import {
  asUsage,
  backendOption,
  deviceOption,
  integerOption,
  movedOption,
  numberOption,
  portOption,
  precisionOption,
  setOption,
  UsageError,
} from '../usage';

/** What else shows or records the training. */
interface FollowFlags extends TrackerFlags, Pick<RankFlags, 'timeLimit'> {
  watch?: boolean | undefined;
  port?: number | undefined;
}

/** The flags that choose a configuration and how it is followed. */
export interface TrainFlags extends FollowFlags, RankFlags {
  budget?: string;
  minutes?: number;
  dataset?: string;
  data?: string;
  init?: string;
  out?: string;
  seed?: number;
  backend?: string;
  device?: number;
  threads?: number;
  precision?: string;
  set: string[];
  json?: boolean;
}

interface ResumeFlags extends FollowFlags, RankFlags {
  backend?: string;
  device?: number;
  threads?: number;
  data?: string;
  set: string[];
  acceptChangedData?: boolean;
  force?: boolean;
  json?: boolean;
}

/** Adds the options of what follows a training, and of where it runs. */
function followed(command: Command): Command {
  return command
    .option('--watch', 'serve a page in the browser that shows the run while it goes on (see `onespike watch --help`)')
    .option('--port <n>', 'port of that page (default: any that is free)', portOption)
    .addOption(tensorboardOption())
    .addOption(mlflowOption())
    .addOption(ranksOption())
    .addOption(timeLimitOption())
    .option('--json', 'print JSON Lines');
}

export function addTrain(program: Command): void {
  const training = program
    .command('train')
    .description('train a network: ANN, conversion, spiking network')
    .argument(
      '[preset|config.json]',
      'a preset (see `onespike presets`) or a configuration file; default: vgg6 on shapes',
    )
    .option('--dataset <name>', `${datasetNames.join(', ')} (default: ${defaultDataset}, or folder with --data)`)
    .option('--data <dir>', 'where the files of the data set are')
    .option('--init <file>', 'a model file, or a run, to start from; its network where no other is named')
    .option('--budget <size>', `the recipe of the preset for ${BUDGETS.join(' or ')} (see \`onespike presets\`)`)
    .option(
      '--minutes <n>',
      'measure this machine, and choose width and epochs to end in so many minutes',
      numberOption(0, MOST_MINUTES),
    )
    .option('--out <run>', 'folder of the run (default: runs/NAME-DATE-TIME)')
    .option('--seed <n>', 'seed of weights, split, order and augmentation', integerOption(0))
    .addOption(backendOption())
    .addOption(deviceOption())
    .option('--threads <n>', 'compute threads (default: all cores)', integerOption(1))
    .addOption(precisionOption())
    .addOption(setOption('set one key of the configuration; may be repeated'));
  followed(training)
    .addHelpText(
      'after',
      `
Examples:
  $ onespike train                                        a small network on the embedded images, some minutes
  $ onespike train vgg16 --dataset cifar10 --data cifar-10-batches-bin
  $ onespike train vgg9 --set snn.epochs=3 --set snn.optimizer.learningRate=2e-4
  $ onespike train --data pictures --minutes 10           as good as ten minutes allow
  $ onespike train vgg9 --ranks 4                         four processes, by MPI (docs/CLUSTERS.md)
  $ onespike presets vgg9 --dataset mnist > my.json && onespike train my.json --out runs/mine

Ctrl-C saves the exact position; \`onespike resume RUN\` continues there, bit-identical to an uninterrupted run.`,
    )
    .action(async (name: string | undefined, flags: TrainFlags) => {
      await onRanks(new Output(flags.json === true), flags, async ({ output, ranks, leads, placed, device }) => {
        const given = placed(await configOf(name, flags));
        const dealt = await device(given.device === undefined ? given.backend : 'cpu');
        const config = { ...given, device: given.device ?? dealt };
        const start = (signal: AbortSignal): AsyncGenerator<TrainEvent> =>
          train(config, { signal, ranks, progressSeconds: output.interactive ? 0.2 : 5 });
        await follow(output, start, { ...flags, leads, resumes: false });
      });
    });
}

export function addResume(program: Command): void {
  const resuming = program
    .command('resume')
    .description('continue an interrupted run')
    .argument('<run>', 'folder of the run')
    .option(
      '--backend <name>',
      'auto, cpu or cuda; with another one than before the result is not bit-identical (default: the same)',
    )
    .addOption(deviceOption())
    .option('--threads <n>', 'compute threads; the result does not depend on it', integerOption(1))
    .addOption(movedOption())
    .option('--accept-changed-data', 'continue although the images are not those that the run began with')
    .addOption(
      setOption('change epochs, rates or augmentation; a finished run continues with more epochs; may be repeated'),
    )
    .option('--force', 'take the lock of a process of another machine or container that is gone, without waiting');
  followed(resuming)
    .addHelpText(
      'after',
      `
Examples:
  $ onespike resume runs/vgg6-shapes-20260102-030405
  $ onespike resume runs/mine --set snn.epochs=40         ten more than its 30
  $ onespike resume runs/mine --data /mnt/pictures        the pictures have moved

With more epochs the learning rate follows the schedule of the new number from there on.`,
    )
    .action(async (run: string, given: ResumeFlags) => {
      const { json, backend, data, set, watch, port, tensorboard, mlflow, ranks: wanted, timeLimit, ...flags } = given;
      const choice =
        backend === undefined ? {} : { backend: asUsage(() => checkOneOf(backend, '--backend', BACKEND_CHOICES)) };
      const changes = asUsage(() => set.reduce<PlainObject>(applyOverride, {}));
      await onRanks(new Output(json === true), { ranks: wanted }, async ({ output, ranks, leads, device }) => {
        const progressSeconds = output.interactive ? 0.2 : 5;
        const dealt = await device(flags.device === undefined ? (choice.backend ?? 'auto') : 'cpu');
        // The GPU that run.json names is that of rank 0.
        const place = { ...choice, ...flags, device: flags.device ?? dealt };
        const resumed = (signal: AbortSignal): AsyncGenerator<TrainEvent> =>
          resume(run, { signal, ranks, ...place, directory: data, changes, progressSeconds });
        const shown = { watch, port, tensorboard, mlflow, timeLimit };
        await follow(output, resumed, { ...shown, leads, resumes: true }).catch((error) => {
          // Only the run knows which keys it can change.
          if (set.length > 0 && isOneSpikeError(error) && error.code === 'ERR_ARG') throw new UsageError(error.message);
          throw error;
        });
      });
    });
}

/** Argument and flags as one configuration. Every mistake in them is a usage error. */
export async function configOf(name: string | undefined, flags: TrainFlags): Promise<TrainConfig> {
  return resolvedConfig(await configInput(name, flags), flags);
}

/** What the argument names: a file, a preset, or the network of `--init`. */
export async function configInput(name: string | undefined, flags: TrainFlags): Promise<unknown> {
  const file = name !== undefined && (await isFile(name));
  const begun = flags.init === undefined ? {} : await modelConfig(flags.init);
  const input = name === undefined ? begun : file ? await readConfig(name) : { preset: name };
  if (file && flags.data === undefined) await checkDirectory(name, input);
  return input;
}

/** What the flags say, as `--set` would. */
export function overridesOf(flags: TrainFlags): string[] {
  const { dataset, data, init, budget, minutes, out, seed, backend, device, threads, precision } = flags;
  const run = { init, budget, minutes, out, seed, backend, device, threads, precision };
  const given = { 'dataset.name': dataset, 'dataset.directory': data, ...run };
  const overrides = Object.entries(given).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${JSON.stringify(value)}`],
  );
  return [...flags.set, ...overrides];
}

/** The configuration with what the flags say. Errors: usage errors. */
export function resolvedConfig(input: unknown, flags: TrainFlags): TrainConfig {
  const config = asUsage(
    () => resolveConfig(input as TrainConfigInput, overridesOf(flags)),
    '`onespike presets NAME` prints every key of a configuration',
  );
  asUsage(() => checkDirectoryNamed(config.dataset.name, config.dataset.directory));
  return config;
}

/** A preset has a plain name, so whatever looks like a path or is one is a file; `-` is standard input. */
async function isFile(name: string): Promise<boolean> {
  if (name === '-' || name.includes('/') || /\.jsonc?$/i.test(name)) return true;
  if ((presetNames as readonly string[]).includes(name)) return false;
  return exists(name);
}

function readConfig(name: string): Promise<unknown> {
  return readJsonFile(name, {
    missing: '`onespike presets NAME > config.json` writes one',
    fault: 'a configuration is JSON, with comments if you like; `onespike presets NAME` prints one',
  });
}

/** Says where a relative folder of data in a configuration file counts from, if it lies beside the file instead. */
async function checkDirectory(file: string, input: unknown): Promise<void> {
  const directory = (input as { dataset?: { directory?: unknown } } | null)?.dataset?.directory;
  if (typeof directory !== 'string' || isAbsolute(directory) || (await exists(expandHome(directory)))) return;
  const beside = join(dirname(file), directory);
  if (!(await exists(beside))) return;
  throw new UsageError(
    `Expected dataset.directory '${directory}' of ${file} in the working folder, from which relative paths count, but received none`,
    `--data ${shellWord(beside)} names the folder beside the file`,
  );
}

/** Shows the events, and the page where it is asked for; an interruption that was saved says how to continue. */
async function follow(
  output: Output,
  start: (signal: AbortSignal) => AsyncGenerator<TrainEvent>,
  {
    watch,
    port = 0,
    timeLimit: limit,
    resumes,
    leads,
    ...tracking
  }: FollowFlags & { resumes: boolean; leads: boolean },
): Promise<void> {
  const view = new TrainView(output);
  const trackers = await Trackers.open(output, leads ? tracking : {}, resumes);
  const page = watch === true && leads ? await watchTraining(output, port) : undefined;
  const work = async (signal: AbortSignal): Promise<void> => {
    let saved: string | undefined;
    let failure: unknown;
    try {
      for await (const event of start(signal)) {
        if (event.event === 'start') page?.show(event.run);
        await trackers.on(event);
        // Before the last event, after which readers may stop reading.
        const report = event.event === 'done' && leads ? await reportAtEnd(event.run, output) : undefined;
        output.event(event);
        view.show(event, report?.file);
        if (event.event === 'saved') saved = event.run;
      }
    } catch (error) {
      failure = error;
      if (saved === undefined || !isOneSpikeError(error) || error.code !== 'ERR_ABORTED') throw error;
      const advice = `Continue by: onespike resume ${shellWord(shortPath(saved))}`;
      throw new OneSpikeError(error.code, `Interrupted and saved. ${advice}`, { cause: error });
    } finally {
      await trackers.end(failure);
      await page?.end();
    }
  };
  await interruptible(output, work, { limit: timeLimit(limit) });
}
