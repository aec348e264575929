// `bench`: speed and memory of a network with random weights at a given activity, or of a trained one.
import type { Command } from 'commander';
import { NORMS, SURROGATES } from '../../model/description';
import { VGG_NAMES } from '../../model/vgg';
import { peakRss } from '../bench/memory';
import { measure } from '../bench/measure';
import { benchEvent, showBench } from '../bench/report';
import { benchModes, benchSettings, type BenchFlags, type BenchSettings } from '../bench/settings';
import { openSubject, type SubjectOptions } from '../bench/subject';
import { interruptible } from '../interrupt';
import { Output } from '../output';
import { backendOption, deviceOption, integerOption, limitedOption, numberOption, precisionOption } from '../usage';

export function addBench(program: Command): void {
  // No default stands here: with --run it matters whether a flag was given.
  program
    .command('bench')
    .description('time a network with random weights on random 32x32 pictures, or a trained one on its own')
    .argument('[model]', `${VGG_NAMES.join(', ')} (default: vgg16)`)
    .argument('[mode]', `${benchModes.join(', ')} (default: train)`)
    .option('--model <name>', 'the same, as an option')
    .option('--mode <mode>', 'the same, as an option')
    .option('--batch <n>', 'images per step; 1 times the latency of an image (default: 64)', integerOption(1))
    .option('--timesteps <n>', 'T (default: 5)', limitedOption('timesteps'))
    .option('--classes <n>', 'output classes (default: 10)', limitedOption('out'))
    .option('--activity <share>', 'share of the neurons of every layer that fires (default: 0.12)', numberOption(0, 1))
    .option('--surrogate <name>', `${SURROGATES.join(', ')} (default: triangle)`)
    .option('--norm <name>', `${NORMS.join(', ')}: batch normalisation of hidden layers (default: none)`)
    .addOption(precisionOption())
    .option('--threads <n>', 'compute threads (default: all cores)', limitedOption('threads'))
    .addOption(backendOption())
    .addOption(deviceOption())
    .option('--run <run>', 'a trained network, its thresholds and its images instead of random ones')
    .option('--images <part>', 'with --run: train or test (default: those of the mode)')
    .option('--warmup <n>', 'steps before the timed ones (default: 1)', integerOption(0))
    .option('--iterations <n>', 'timed steps (default: 5)', integerOption(1))
    .option('--early-exit', 'with infer: stop an image at its first output spike')
    .option('--layers', 'kernel, density and milliseconds of every layer and operation')
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      `
Examples:
  $ onespike bench vgg16 train --batch 64 --threads 2
  $ onespike bench --model vgg9 --mode infer --activity 0.06 --json
  $ onespike bench vgg9 infer --batch 1 --layers
  $ onespike bench --run runs/vgg6-shapes-20260102-030405 --mode train

The rate is that of the median step. The working set is the peak of resident memory less parameters and, in training,
gradients and momentum.`,
    )
    .action(async (model: string | undefined, mode: string | undefined, flags: BenchFlags) => {
      const settings = benchSettings([model, mode], flags);
      const output = new Output(flags.json === true);
      await interruptible(output, (signal) => bench(settings, output, signal));
    });
}

async function bench(settings: BenchSettings, output: Output, signal: AbortSignal): Promise<void> {
  const options: SubjectOptions = {
    signal,
    progress: (text) => output.progress(text),
    warn: (warning) => output.warn(warning),
  };
  const runtimeRss = peakRss();
  const subject = await openSubject(settings, options);
  try {
    const measured = await measure(subject, settings, options);
    output.clear();
    const event = benchEvent(subject.network, settings, { ...measured, runtimeRss });
    output.event(event);
    showBench(output, subject.network, settings, measured, event);
  } finally {
    await subject.network.dispose();
  }
}
