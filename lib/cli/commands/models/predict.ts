// `predict`: the class of pictures.
import type { Command } from 'commander';
import { loadImage, type ImageShape } from '../../../data';
import { answersOf } from '../../../serve/answers';
import type { Network } from '../../../model/network';
import type { TrainedModel } from '../../../train/run/model-run';
import { addRunOptions, earlyExitOption, spikingOnly, withRun, type RunFlags } from '../run';
import type { Output } from '../../output';
import { percent, table } from '../../style';
import { UsageError } from '../../usage';
import { trainedOf, trainedOrPackaged } from './trained';

// Pictures of one forward pass: enough that the kernels are busy, few enough that answers come while others are read.
const PICTURES_PER_PASS = 64;

export function addPredict(program: Command): void {
  const command = program
    .command('predict')
    .description('class of pictures')
    .usage('[options] [run|model] <image...>')
    .argument(
      '<image...>',
      'picture files (PNG, PPM, PGM; others with the package sharp), after the folder of a run, a model file or the name of a model; without one of these the trained network of this package answers',
    );
  addRunOptions(command)
    .addOption(earlyExitOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ onespike predict cat.png\n  $ onespike predict runs/vgg6-shapes-20260102-030405 cat.png dog.png',
    )
    .action(async (paths: string[], flags: RunFlags) => {
      const { chosen, packaged } = await trainedOrPackaged(paths[0]!);
      const images = packaged === undefined ? paths.slice(1) : paths;
      if (images.length === 0) throw new UsageError(`Expected pictures after ${paths[0]} but received none`);
      await withRun(
        () => trainedOf(chosen),
        flags,
        async (model, network, output, signal) => {
          if (packaged !== undefined) output.note(`network: ${packaged.name}, of this package (onespike models show)`);
          await predictImages(model, network, images, output, { earlyExit: spikingOnly(model, flags), signal });
        },
      );
    });
}

interface PredictOptions {
  earlyExit: boolean;
  signal: AbortSignal;
}

/**
 * Prints an answer per picture, in their order. A picture that cannot be read does not suppress the answers before it.
 */
async function predictImages(
  model: TrainedModel,
  network: Network,
  files: readonly string[],
  output: Output,
  options: PredictOptions,
): Promise<void> {
  const rows = [['image', 'class', 'probability', 'decided at']];
  try {
    for (let first = 0; first < files.length; first += PICTURES_PER_PASS) {
      const group = files.slice(first, first + PICTURES_PER_PASS);
      const { pixels, count, failure } = await readPictures(group, network.description.input, options.signal);
      if (count > 0) rows.push(...(await answer(model, network, group.slice(0, count), pixels, output, options)));
      if (failure !== undefined) throw failure;
    }
  } finally {
    if (rows.length > 1) output.line(table(rows, [0, 1]));
  }
}

/** The pictures before the first that cannot be read, one after the other, and why that one cannot. */
async function readPictures(
  files: readonly string[],
  shape: ImageShape,
  signal: AbortSignal,
): Promise<{ pixels: Uint8Array; count: number; failure?: unknown }> {
  const size = shape[0] * shape[1] * shape[2];
  const pixels = new Uint8Array(files.length * size);
  for (const [count, file] of files.entries()) {
    try {
      pixels.set(await loadImage(file, shape, { signal }), count * size);
    } catch (failure) {
      return { pixels: pixels.subarray(0, count * size), count, failure };
    }
  }
  return { pixels, count: files.length };
}

/** One event per picture, and one row of the table for people. */
async function answer(
  model: TrainedModel,
  network: Network,
  files: readonly string[],
  pixels: Uint8Array,
  output: Output,
  { earlyExit, signal }: PredictOptions,
): Promise<string[][]> {
  const { answers } = await answersOf(network, pixels, { mode: model.mode, earlyExit, signal });
  return answers.map(({ label, probability, probabilities, step, timesteps, ...bits }, n) => {
    const image = files[n]!;
    const name = model.classes?.[label];
    output.event({ event: 'predict', image, class: name, label, probability, step, timesteps, ...bits, probabilities });
    return [image, name ?? String(label), percent(probability), step === null ? '–' : `step ${step} of ${timesteps}`];
  });
}
