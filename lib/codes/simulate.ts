// The ANN of a run in another code, on the images of the run.
import type { ImageSet } from '../data';
import { energyAccount, type EnergyReport } from '../energy';
import { OneSpikeError } from '../errors';
import type { Network, SimulateOptions, SimulationResult } from '../model/network';
import { accuracyByStep, bestStep, stepsWithinOnePoint, type StepAccuracy } from './measure';

/** What a code made of test images. Energies are means per image, in picojoules. */
export interface CodeResult {
  /** The code. */
  code: string;
  /** The time steps until its last prediction, over all layers. */
  timesteps: number;
  /** The highest accuracy that it had after any recorded step, from 0 to 1. */
  accuracy: number;
  /** The first recorded step after which the accuracy stays within one point of that. */
  stepsWithinOnePoint: number;
  /** The spikes per image, those of pixels included. */
  spikesPerImage: number;
  /** The accumulates and the multiply-accumulates per image. */
  operations: { ac: number; mac: number };
  /** By account and constants: the energy, and that of the dense network over it (null if it is 0). */
  energy: Record<string, { picojoules: number; ratio: number | null }>;
  /** The rate on this machine. */
  imagesPerSecond: number;
  /** The time that it took, in seconds. */
  seconds: number;
}

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
export interface SimulateCodeOptions extends Omit<SimulateOptions, 'calibration'> {
  /** The number of test images; all by default. */
  images?: number | undefined;
  /** The number of training images that activations are measured on; 1000 by default. */
  calibrationImages?: number | undefined;
}

const CALIBRATION_IMAGES = 1000;

/** Simulates an ANN in a code on test images. Errors: those of `Network.simulate`; ERR_STATE without test images. */
export async function simulateCode(
  network: Network,
  { train, test }: { train: ImageSet; test: ImageSet },
  { images, calibrationImages = CALIBRATION_IMAGES, ...options }: SimulateCodeOptions,
): Promise<RunSimulation> {
  const count = Math.min(images ?? test.count, test.count);
  if (count === 0) throw new OneSpikeError('ERR_STATE', 'Expected test images but received none');
  const pixels = firstImages(test, count);
  const labels = test.labels.subarray(0, count);
  const calibration = train.count === 0 ? undefined : firstImages(train, Math.min(calibrationImages, train.count));
  const ann = await network.evaluate({ pixels, labels }, { mode: 'ann', signal: options.signal });
  const result = await network.simulate(
    pixels,
    options.activations === undefined ? { ...options, calibration } : options,
  );
  const steps = accuracyByStep(result, labels);
  return { ...codeResult(network, result, steps), images: count, annAccuracy: ann.correct / count, steps };
}

function firstImages({ pixels, count }: ImageSet, wanted: number): Uint8Array {
  return pixels.subarray(0, (pixels.length / count) * wanted);
}

function codeResult(network: Network, result: SimulationResult, steps: readonly StepAccuracy[]): CodeResult {
  const report = energyAccount(network.description, result.operations);
  const { images } = result.operations;
  return {
    code: result.code,
    timesteps: result.steps,
    accuracy: bestStep(steps).accuracy,
    stepsWithinOnePoint: stepsWithinOnePoint(steps),
    spikesPerImage: result.spikesPerImage,
    operations: { ac: report.total.accumulates, mac: report.total.macs + report.total.scheduleMacs },
    energy: energyByAccount(report),
    imagesPerSecond: images / result.seconds,
    seconds: result.seconds,
  };
}

/** The energies of a report by account and constants, `compute/int32` first. */
export function energyByAccount({ accounts }: EnergyReport): CodeResult['energy'] {
  return Object.fromEntries(
    accounts.map(({ account, constants, snnPicojoules, ratio }) => [
      `${account}/${constants.name}`,
      { picojoules: snnPicojoules, ratio },
    ]),
  );
}
