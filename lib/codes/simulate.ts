// The ANN of a run in another code, on the images of the run.
import type { ImageSet } from '../data';
import { OneSpikeError } from '../errors';
import type { Network, SimulateOptions } from '../model/network';
import type { StepAccuracy } from './measure';
import { simulateInPieces, simulationResult } from './pieces';
import type { CodeResult } from './result';

/** A simulation of a run's ANN. */
export interface RunSimulation extends CodeResult {
  /** The number of test images. */
  images: number;
  /** The accuracy of the ANN itself on the same images. */
  annAccuracy: number;
  /** The accuracy after every recorded step. */
  steps: StepAccuracy[];
}

/** Options of `simulateCode`: those of the simulation, whose activations are measured on training images. */
export interface SimulateCodeOptions extends Omit<SimulateOptions, 'calibration' | 'first'> {
  /** The number of test images; all by default. */
  images?: number | undefined;
  /** The number of training images that activations are measured on; 1000 by default. */
  calibrationImages?: number | undefined;
}

/** The number of training images that activations are measured on. */
export const CALIBRATION_IMAGES = 1000;

/** Simulates an ANN in a code on test images. Errors: those of `Network.simulate`; ERR_STATE without test images. */
export async function simulateCode(
  network: Network,
  { train, test }: { train: ImageSet; test: ImageSet },
  { images, calibrationImages = CALIBRATION_IMAGES, ...options }: SimulateCodeOptions,
): Promise<RunSimulation> {
  const { pixels, labels, count } = firstImages(test, images);
  const calibration = train.count === 0 ? undefined : firstImages(train, calibrationImages).pixels;
  const ann = await network.evaluate({ pixels, labels }, { mode: 'ann', signal: options.signal });
  const sums = await simulateInPieces(
    network,
    { pixels, labels },
    options.activations === undefined ? { ...options, calibration } : options,
    { piece: count },
  );
  const { result, steps } = simulationResult(network, options.code, sums);
  return { ...result, images: count, annAccuracy: ann.correct / count, steps };
}

/** The first so many images of a set, all by default. Errors: ERR_STATE if it has none. */
export function firstImages(set: ImageSet, wanted: number = set.count): ImageSet {
  const count = Math.min(wanted, set.count);
  if (count === 0) throw new OneSpikeError('ERR_STATE', 'Expected test images but received none');
  const size = set.pixels.length / set.count;
  return { ...set, count, pixels: set.pixels.subarray(0, size * count), labels: set.labels.subarray(0, count) };
}
