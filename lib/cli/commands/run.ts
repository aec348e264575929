// `eval` and `energy`: what a trained run can do, and what all commands of that kind share.
import { Option, type Command } from 'commander';
import { BACKEND_CHOICES } from '../../native/devices';
import { checkOneOf } from '../../check';
import { datasetNames, type LoadedDataset } from '../../data';
import { formatEnergyTable } from '../../energy';
import { OneSpikeError } from '../../errors';
import { shortPath } from '../../io/paths';
import { isFile } from '../../io/status';
import type { Network } from '../../model/network';
import { measureEnergy } from '../../train/loop/energy';
import { evaluateImages, type Evaluation } from '../../train/loop/evaluate';
import { loadRun, type Run } from '../../train/run/load-run';
import { loadModel, type EvaluatedRun } from '../../train/run/model-run';
import { PHASES } from '../../train/run/events';
import { hiddenLayers, layerActivity, meanActivity } from '../../train/run/activity';
import { interruptible } from '../interrupt';
import { Output } from '../output';
import { bar, compact, percent } from '../style';
import { activityTable } from '../train-view';
import { asUsage, backendOption, deviceOption, integerOption, movedOption, UsageError } from '../usage';

export interface RunFlags {
  dataset?: string;
  network?: string;
  data?: string;
  backend?: string;
  device?: number;
  threads?: number;
  earlyExit?: boolean;
  json?: boolean;
}

export function addRunCommand(
  program: Command,
  name: string,
  description: string,
  argument = 'folder of the run',
): Command {
  return addRunOptions(program.command(name).description(description).argument('<run>', argument));
}

/** For commands that take a model file with a data set, too. */
const RUN_OR_MODEL = 'folder of the run, or a model file';
const datasetOption = (): Option => new Option('--dataset <name>', `of a model file: ${datasetNames.join(', ')}`);

/** The options of commands that compute with a network. */
export function addRunOptions(command: Command): Command {
  return command
    .addOption(backendOption())
    .addOption(deviceOption())
    .option('--threads <n>', 'compute threads (default: all cores)', integerOption(1))
    .option('--json', 'print JSON Lines');
}

/** Opens run and network, does the work, and disposes of the network whatever happens. */
export async function withRun<R extends Pick<Run, 'network'>>(
  open: () => Promise<R>,
  flags: RunFlags,
  work: (run: R, network: Network, output: Output, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const output = new Output(flags.json === true);
  const backend = asUsage(() => checkOneOf(flags.backend ?? 'auto', '--backend', BACKEND_CHOICES));
  await interruptible(output, async (signal) => {
    const run = await open();
    const network = await run.network({ backend, device: flags.device, threads: flags.threads });
    try {
      await work(run, network, output, signal);
    } finally {
      await network.dispose();
    }
  });
}

export const earlyExitOption = (): Option =>
  new Option(
    '--early-exit',
    'stop an image at its first output spike; answers may differ from those after all T steps',
  );

/** Whether images end early. Errors: a usage error for a network that has no steps. */
export function spikingOnly(run: Pick<Run, 'mode'>, flags: RunFlags): boolean {
  if (flags.earlyExit === true && run.mode !== 'snn')
    throw new UsageError('Expected a spiking network for --early-exit but received a run that has only an ANN');
  return flags.earlyExit === true;
}

export function addEval(program: Command): void {
  addRunCommand(program, 'eval', 'test accuracy of a run, or of a model file on a data set', RUN_OR_MODEL)
    .addOption(movedOption())
    .addOption(datasetOption())
    .option(
      '--network <name>',
      `of a model file: ${PHASES.join(', ')} (default: what it was saved as, ann after an import)`,
    )
    .addOption(earlyExitOption())
    .addHelpText('after', '\nExample:\n  $ onespike eval runs/vgg6-shapes-20260102-030405')
    .action((path: string, flags: RunFlags) =>
      withRun(
        () => runOrModel(path, flags),
        flags,
        (run, network, output, signal) => evaluateRun(run, network, flags, output, signal),
      ),
    );
}

export function addEnergy(program: Command): void {
  addRunCommand(program, 'energy', 'operations and energy of one inference, ANN against SNN', RUN_OR_MODEL)
    .addOption(movedOption())
    .addOption(datasetOption())
    .option('--images <n>', 'test images to count', integerOption(1))
    .addHelpText('after', '\nExample:\n  $ onespike energy runs/vgg6-shapes-20260102-030405 --images 1000')
    .action((path: string, flags: RunFlags & { images?: number }) =>
      withRun(
        () => runOrModel(path, flags),
        flags,
        (run, network, output, signal) => showEnergy(run, network, flags, output, signal),
      ),
    );
}

/** The run in a folder, or a model file with the data set that is named for it. */
async function runOrModel(path: string, { dataset, network }: RunFlags): Promise<EvaluatedRun> {
  if (dataset === undefined && network === undefined) {
    if (await isFile(path)) throw new UsageError('Expected a run, or --dataset NAME, but received a model file alone');
    const run = await loadRun(path);
    return { ...run, batch: run.config.evaluation.batch, energyImages: run.config.energy.images };
  }
  if (dataset === undefined || !(await isFile(path)))
    throw new UsageError('Expected a model file with --dataset NAME but received a run, which has its own data set');
  const name = asUsage(() => checkOneOf(dataset, '--dataset', datasetNames));
  return loadModel(
    path,
    name,
    network === undefined ? undefined : asUsage(() => checkOneOf(network, '--network', PHASES)),
  );
}

/** The images of a run, with a warning wherever they are not those that it knew. */
async function imagesOf(
  run: Pick<Run, 'dataset'>,
  { data }: RunFlags,
  output: Output,
  signal: AbortSignal,
): Promise<LoadedDataset> {
  const loaded = await run.dataset({ signal, directory: data });
  for (const warning of loaded.warnings) output.warn(warning);
  return loaded;
}

async function evaluateRun(
  run: EvaluatedRun,
  network: Network,
  flags: RunFlags,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const earlyExit = spikingOnly(run, flags);
  const { test } = await imagesOf(run, flags, output, signal);
  const { mode, batch } = run;
  let totals: Evaluation | undefined;
  for await (const result of evaluateImages(network, test, { mode, batch, earlyExit, signal })) {
    totals = result;
    output.status(
      `testing  ${bar(result.count / test.count, 24)}  ${compact(result.count / result.seconds)} img/s  ` +
        percent(result.accuracy),
    );
  }
  if (totals === undefined) throw new OneSpikeError('ERR_STATE', 'Expected test images but received none');
  const layers = mode === 'snn' ? layerActivity(hiddenLayers(network), totals.spikes, totals.count) : [];
  const imagesPerSecond = totals.count / totals.seconds;
  output.event({
    event: 'eval',
    run: run.path,
    mode,
    backend: network.backend,
    images: totals.count,
    accuracy: totals.accuracy,
    loss: totals.loss,
    spikesPerNeuron: meanActivity(layers),
    layers,
    imagesPerSecond,
    ...(earlyExit ? { decisionStep: totals.decisionStep } : {}),
  });
  output.line(
    `${mode === 'snn' ? 'SNN' : 'ANN'} test accuracy ${output.paint('bold', percent(totals.accuracy, 2))} of ` +
      `${totals.count} images, loss ${totals.loss.toFixed(4)}, ${compact(imagesPerSecond)} img/s (${network.backend})`,
  );
  if (earlyExit)
    output.line(`decided at step ${totals.decisionStep!.toFixed(2)} of ${network.description.timesteps} on average`);
  if (layers.length > 0) output.line(activityTable(layers, meanActivity(layers), 'spikes/neuron'));
}

async function showEnergy(
  run: EvaluatedRun,
  network: Network,
  flags: RunFlags & { images?: number },
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  if (run.mode !== 'snn')
    throw new OneSpikeError('ERR_STATE', 'Expected a spiking network but received a run that has only an ANN');
  const { test } = await imagesOf(run, flags, output, signal);
  const count = flags.images ?? Math.max(1, run.energyImages);
  const report = await measureEnergy(network, test, { images: count, batch: run.batch, signal });
  output.event({ event: 'energy', run: run.path, ratio: report.headline.ratio, ...report });
  output.line(formatEnergyTable(report));
  output.line(`run ${shortPath(run.path)}`);
}
