// What trained networks and their ANN make of test images, in the same numbers as simulated codes.
import type { ImageSet } from '../data';
import { energyAccount, type EnergyReport } from '../energy';
import { bitsOf, stepsToDecision } from '../model/code/steps';
import { isPool } from '../model/layer';
import type { Network } from '../model/network';
import { layerShapes } from '../model/shapes';
import { measureEnergy } from '../train/loop/energy';
import { evaluateImages, type Evaluation } from '../train/loop/evaluate';
import type { Phase } from '../train/run/events';
import { correctByStep, stepsWithinOnePoint, type StepAccuracy } from './measure';
import { countedResult, type MeasuredCode } from './result';

export interface MeasureOptions {
  /** The images of one pass. */
  batch: number;
  signal?: AbortSignal | undefined;
  /** Is called with the number of images done and that of all. */
  onProgress?: ((progress: { done: number; total: number }) => void) | undefined;
}

/**
 * Accuracy, speed, spikes and energy of a spiking network, and its accuracy after each step. Errors: ERR_ABORTED,
 * ERR_OOM.
 */
export async function measureSpiking(
  network: Network,
  code: string,
  test: ImageSet,
  options: MeasureOptions,
): Promise<MeasuredCode> {
  const { batch, signal } = options;
  const { accuracy, seconds } = await evaluated(network, test, 'snn', options);
  const { description } = network;
  const timesteps = stepsToDecision(description);
  const steps =
    description.code === undefined
      ? await accuracyAfterSteps(network, test, batch, signal)
      : [{ step: timesteps, accuracy }];
  const report = await measureEnergy(network, test, { images: test.count, batch, signal });
  return {
    result: {
      code,
      timesteps,
      ...bitsOf(description),
      accuracy,
      stepsWithinOnePoint: stepsWithinOnePoint(steps, accuracy),
      ...countedResult(report),
      imagesPerSecond: test.count / seconds,
      seconds,
    },
    steps,
  };
}

/** The same of the ANN: one dense pass, which sends no spikes. */
export async function measureAnn(
  network: Network,
  code: string,
  test: ImageSet,
  options: MeasureOptions,
): Promise<MeasuredCode> {
  const { accuracy, seconds } = await evaluated(network, test, 'ann', options);
  const report = denseReport(network);
  return {
    result: {
      code,
      timesteps: 1,
      accuracy,
      stepsWithinOnePoint: 1,
      spikesPerImage: 0,
      operations: { ac: 0, mac: report.total.annMacs },
      energy: Object.fromEntries(
        report.accounts.map(({ account, constants, annPicojoules }) => [
          `${account}/${constants.name}`,
          { picojoules: annPicojoules, ratio: 1 },
        ]),
      ),
      imagesPerSecond: test.count / seconds,
      seconds,
    },
    steps: [{ step: 1, accuracy }],
  };
}

/** The report of a network in which nothing spikes. */
function denseReport({ description }: Network): EnergyReport {
  const none = { macs: 0, scheduleMacs: 0, accumulates: 0, events: 0, spikes: 0, updates: 0 };
  const layers = layerShapes(description).flatMap(({ type, layer, neurons, macs }) =>
    isPool(type) ? [] : [{ layer, type: type as 'conv' | 'linear', neurons, annMacs: macs, ...none }],
  );
  return energyAccount(description, { images: 1, expectedInput: false, layers });
}

async function evaluated(
  network: Network,
  test: ImageSet,
  mode: Phase,
  { batch, signal, onProgress }: MeasureOptions,
): Promise<Evaluation> {
  let totals!: Evaluation;
  for await (totals of evaluateImages(network, test, { mode, batch, signal }))
    onProgress?.({ done: totals.count, total: test.count });
  return totals;
}

async function accuracyAfterSteps(
  network: Network,
  { pixels, labels, count }: ImageSet,
  batch: number,
  signal: AbortSignal | undefined,
): Promise<StepAccuracy[]> {
  const { timesteps } = network.description;
  const recordedSteps = Int32Array.from({ length: timesteps }, (_, t) => t + 1);
  const size = pixels.length / count;
  const sums = new Array<number>(timesteps).fill(0);
  for (let first = 0; first < count; first += batch) {
    const end = Math.min(first + batch, count);
    const { potentials } = await network.forward(pixels.subarray(first * size, end * size), {
      potentials: true,
      signal,
    });
    const { predictions } = await network.anytime(potentials!);
    const correct = correctByStep({ predictions, recordedSteps }, labels.subarray(first, end));
    correct.forEach((more, t) => (sums[t]! += more));
  }
  return sums.map((correct, t) => ({ step: t + 1, accuracy: correct / count }));
}
