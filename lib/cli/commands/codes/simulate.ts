// `simulate`: the ANN of a run in another code, step by step.
import { Option, type Command } from 'commander';
import { simulateCode, type RunSimulation } from '../../../codes/simulate';
import { isOneSpikeError } from '../../../errors';
import type { StepAccuracy } from '../../../codes/measure';
import { SIMULATED_CODES } from '../../../model/network/simulation-options';
import { LIMITS } from '../../../native/limits';
import { loadRun } from '../../../train/run/load-run';
import { interruptible } from '../../interrupt';
import { Output } from '../../output';
import { compact, duration, jobProgress, percent, table } from '../../style';
import { integerOption, limitedNumberOption, limitedOption, movedOption, numberOption, UsageError } from '../../usage';

interface SimulateFlags {
  code: (typeof SIMULATED_CODES)[number];
  timesteps?: number;
  images?: number;
  calibration?: number;
  percentile?: number;
  threshold?: number;
  timeConstant?: number;
  base?: number;
  stride?: number;
  seed?: number;
  record?: number;
  data?: string;
  threads?: number;
  json?: boolean;
}

export function addSimulate(program: Command): void {
  program
    .command('simulate')
    .description('the ANN of a run in another code, spike by spike')
    .argument('<run>', 'folder of the run')
    .addOption(new Option('--code <name>', SIMULATED_CODES.join(', ')).choices(SIMULATED_CODES).makeOptionMandatory())
    .option(
      '--timesteps <n>',
      'steps of the simulation, or of the window of each layer (ttfs-converted, tsc, one-spike-phase)',
      limitedOption('simulatedSteps'),
    )
    .option('--images <n>', 'test images (default: all)', integerOption(1))
    .option('--calibration <n>', 'training images that activations are measured on (default: 1000)', integerOption(1))
    .option(
      '--percentile <p>',
      'percentile of the activations that becomes 1 (default: 99.9)',
      limitedNumberOption('percentile'),
    )
    .option('--threshold <v>', 'threshold (default: 1; of burst 0.125)', limitedNumberOption('threshold'))
    .option(
      '--time-constant <n>',
      'of ttfs-converted, in steps (default: 20)',
      limitedNumberOption('simulatedTimeConstant'),
    )
    .option('--base <b>', 'of one-spike-phase (default: 1.2)', numberOption(1, LIMITS.base.max))
    .option('--stride <n>', 'steps between the windows of two layers (default: the timesteps)', integerOption(1))
    .option('--seed <n>', 'of the random numbers of rate (default: that of the run)', limitedOption('seed'))
    .option('--record <n>', 'steps between two predictions (default: 1)', integerOption(1))
    .addOption(movedOption())
    .option('--threads <n>', 'compute threads (default: all cores)', limitedOption('threads'))
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      `
Examples:
  $ onespike simulate runs/vgg6-shapes-20260102-030405 --code rate --timesteps 500
  $ onespike simulate runs/vgg6-shapes-20260102-030405 --code tsc --timesteps 32 --images 200 --json`,
    )
    .action(async (path: string, flags: SimulateFlags) => {
      const output = new Output(flags.json === true);
      try {
        await interruptible(output, (signal) => simulate(path, flags, output, signal));
      } catch (error) {
        // Which numbers go with which code is known to the simulation.
        throw isOneSpikeError(error) && error.code === 'ERR_ARG' ? new UsageError(error.message) : error;
      }
    });
}

async function simulate(path: string, flags: SimulateFlags, output: Output, signal: AbortSignal): Promise<void> {
  const { data, threads, json: _, calibration: calibrationImages, ...options } = flags;
  const run = await loadRun(path);
  const network = await run.ann({ backend: 'cpu', threads });
  try {
    const images = await run.dataset({ signal, directory: data });
    for (const warning of images.warnings) output.warn(warning);
    const begin = performance.now();
    const result = await simulateCode(network, images, {
      ...options,
      calibrationImages,
      signal,
      onProgress: (progress) => output.status(jobProgress(flags.code, progress, (performance.now() - begin) / 1000)),
    });
    output.event({ event: 'simulate', run: run.path, ...result });
    show(output, result);
  } finally {
    await network.dispose();
  }
}

const SHOWN_STEPS = 10;

/** A few steps, closer together at the beginning, and those that are named besides. */
function shownSteps(curve: readonly StepAccuracy[], named: readonly number[]): StepAccuracy[] {
  const last = curve.length - 1;
  const wanted = new Set(named.map((step) => curve.findIndex((each) => each.step === step)));
  for (let i = 0; i < SHOWN_STEPS; i++) wanted.add(Math.round((last + 1) ** (i / (SHOWN_STEPS - 1))) - 1);
  return [...wanted].sort((a, b) => a - b).map((index) => curve[index]!);
}

function show(output: Output, result: RunSimulation): void {
  const { steps, accuracy, stepsWithinOnePoint, operations, energy } = result;
  const rows = shownSteps(steps, [stepsWithinOnePoint]).map((each) => [String(each.step), percent(each.accuracy, 2)]);
  output.line(table([['step', 'accuracy'], ...rows]));
  output.line(
    `${result.code}: ${output.paint('bold', percent(accuracy, 2))} of ${result.images} images at best (the ANN: ${percent(result.annAccuracy, 2)}), ` +
      `within one point of it from step ${stepsWithinOnePoint} of ${result.timesteps} on`,
  );
  output.line(
    `per image ${compact(result.spikesPerImage)} spikes, ${compact(operations.ac)} ACs, ${compact(operations.mac)} MACs; ` +
      `${compact(result.imagesPerSecond)} img/s, ${duration(result.seconds)}`,
  );
  output.line(
    table([
      ['energy per image', 'pJ', 'ANN / this'],
      ...Object.entries(energy).map(([account, { picojoules, ratio }]) => [
        account,
        compact(picojoules),
        ratio === null ? '–' : ratio.toPrecision(3),
      ]),
    ]),
  );
}
