/** `predict`: the class of pictures. */
import { loadImage, type ImageShape } from '../../data';
import { stepsToDecision } from '../../model/code/steps';
import type { Network } from '../../model/network';
import type { Run } from '../../train/run/load-run';
import type { Output } from '../output';
import { percent, table } from '../style';

// Pictures of one forward pass: enough that the kernels are busy, few enough that answers come while others are read.
const picturesPerPass = 64;

export interface PredictOptions {
  earlyExit: boolean;
  signal: AbortSignal;
}

/**
 * Prints an answer per picture, in their order. A picture that cannot be read does not suppress the answers before it.
 */
export async function predictImages(
  run: Run,
  network: Network,
  files: readonly string[],
  output: Output,
  options: PredictOptions,
): Promise<void> {
  const rows = [['image', 'class', 'probability', 'decided at']];
  try {
    for (let first = 0; first < files.length; first += picturesPerPass) {
      const group = files.slice(first, first + picturesPerPass);
      const { pixels, count, failure } = await readPictures(group, network.description.input, options.signal);
      if (count > 0) rows.push(...(await answer(run, network, group.slice(0, count), pixels, output, options)));
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
  run: Run,
  network: Network,
  files: readonly string[],
  pixels: Uint8Array,
  output: Output,
  { earlyExit, signal }: PredictOptions,
): Promise<string[][]> {
  const { code } = network.description;
  const timesteps = stepsToDecision(network.description);
  // With a code there is one answer, after the last step.
  const coded = run.mode === 'snn' && code !== undefined;
  const potentials = run.mode === 'snn' && !coded && !earlyExit;
  const result = await network.forward(pixels, { mode: run.mode, potentials, earlyExit, signal });
  const { predictions } = result;
  // The first time step from which the answer no longer changes, or at which it was given.
  const steps =
    result.potentials === undefined ? result.decisionSteps : (await network.anytime(result.potentials)).decisionSteps;
  const classes = result.probabilities.length / files.length;
  return files.map((image, n) => {
    const label = predictions[n]!;
    const name = run.classes[label];
    const probabilities = [...result.probabilities.subarray(n * classes, (n + 1) * classes)];
    const probability = probabilities[label]!;
    const step = coded ? timesteps : (steps?.[n] ?? null);
    const bits = code?.kind === 'radix' ? { bits: code.bits } : {};
    output.event({ event: 'predict', image, class: name, label, probability, step, timesteps, ...bits, probabilities });
    return [image, name ?? String(label), percent(probability), step === null ? '–' : `step ${step} of ${timesteps}`];
  });
}
