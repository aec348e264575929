// A simulation of many images in pieces, so that one that is interrupted goes on where it was.
import { energyAccount } from '../energy';
import type { Network, SimulateOptions, SimulationResult } from '../model/network';
import type { LayerOperations } from '../model/network/operations';
import { bestStep, correctByStep, stepsWithinOnePoint } from './measure';
import { countedResult, type MeasuredCode } from './result';

/** What the images so far have added up to. It is plain JSON. */
export interface SimulationSums {
  /** The number of images. */
  images: number;
  /** The time steps until the last prediction. */
  steps: number;
  /** The steps after which predictions were recorded, and the number of correct ones after each. */
  recordedSteps: number[];
  correct: number[];
  /** The operations of every weighted layer, summed over the images where they depend on them. */
  layers: LayerOperations[];
  /** The time of the simulation in seconds. */
  seconds: number;
  /** What the activations of every hidden layer were divided by. */
  activations: number[];
}

/** The numbers of a layer that are means over images. */
const MEANS = [
  'scheduleMacs',
  'accumulates',
  'events',
  'spikes',
  'updates',
] as const satisfies (keyof LayerOperations)[];

export interface PiecesOptions {
  /** The number of images of a piece. */
  piece: number;
  /** Where an earlier call was interrupted. */
  from?: SimulationSums | undefined;
  /** Is called with the sums after every piece. */
  save?: (sums: SimulationSums) => Promise<void>;
}

/**
 * Simulates images piece by piece; sums and random numbers are those of a single call. Errors: those of
 * `Network.simulate`.
 */
export async function simulateInPieces(
  network: Network,
  { pixels, labels }: { pixels: Uint8Array; labels: Int32Array },
  { onProgress, ...options }: SimulateOptions,
  { piece, from, save }: PiecesOptions,
): Promise<SimulationSums> {
  const { length: images } = labels;
  const size = pixels.length / images;
  let sums = from;
  do {
    const start: number = sums?.images ?? 0;
    const end = Math.min(start + piece, images);
    const result = await network.simulate(pixels.subarray(start * size, end * size), {
      ...options,
      // Measured once: the calibration of a later piece is that of the first.
      ...(sums === undefined ? {} : { calibration: undefined, activations: sums.activations }),
      first: start,
      ...(onProgress === undefined
        ? {}
        : {
            onProgress: ({ done, total }) => {
              const steps = total / (end - start);
              onProgress({ done: start * steps + done, total: images * steps });
            },
          }),
    });
    sums = added(sums, result, labels.subarray(start, end));
    await save?.(sums);
  } while (sums.images < images);
  return sums;
}

function added(before: SimulationSums | undefined, result: SimulationResult, labels: Int32Array): SimulationSums {
  const { operations, steps, recordedSteps, seconds, activations } = result;
  const correct = correctByStep(result, labels);
  const layers = operations.layers.map((layer, i) => {
    const sum = { ...layer };
    const earlier = before?.layers[i];
    // Counts are integers, which a mean times the number of images is up to its rounding.
    for (const key of MEANS) sum[key] = Math.round(layer[key] * labels.length) + (earlier?.[key] ?? 0);
    return sum;
  });
  return {
    images: labels.length + (before?.images ?? 0),
    steps,
    recordedSteps: [...recordedSteps],
    correct: correct.map((count, r) => count + (before?.correct[r] ?? 0)),
    layers,
    seconds: seconds + (before?.seconds ?? 0),
    activations,
  };
}

/** The result of a simulation of a network. */
export function simulationResult(network: Network, code: string, sums: SimulationSums): MeasuredCode {
  const { images, layers, recordedSteps, correct, seconds } = sums;
  const means = layers.map((layer) => {
    const mean = { ...layer };
    for (const key of MEANS) mean[key] = layer[key] / images;
    return mean;
  });
  const report = energyAccount(network.description, { images, expectedInput: false, layers: means });
  const steps = recordedSteps.map((step, r) => ({ step, accuracy: correct[r]! / images }));
  return {
    result: {
      code,
      timesteps: sums.steps,
      accuracy: bestStep(steps).accuracy,
      stepsWithinOnePoint: stepsWithinOnePoint(steps),
      ...countedResult(report),
      imagesPerSecond: images / seconds,
      seconds,
    },
    steps,
  };
}
