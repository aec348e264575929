// The rates of this machine, measured on a few steps of every kind that a run consists of.
import { foldNorm } from '../../model/fold';
import { spikingFromBinary } from '../../model/binary';
import type { ResolvedNetwork } from '../../model/description';
import { Network, type DistillationOptions } from '../../model/network';
import { augments } from '../../model/network/augment';
import type { Precision } from '../../model/network/options';
import type { TrainConfig } from '../config/config';
import { equalThresholds } from '../loop/beginning';
import { measureEnergy } from '../loop/energy';
import type { RunImages } from '../rows/images';
import { networkOptions } from '../loop/model';
import type { Phase } from '../run/events';
import type { Rates } from './times';

export interface Measurement {
  config: TrainConfig;
  description: ResolvedNetwork;
  images: RunImages;
  /** The least time that one kind of work is repeated for, after a first time that does not count. */
  seconds: number;
  signal?: AbortSignal | undefined;
}

export interface MeasuredRates extends Rates {
  /** The precision in which networks compute there: the default of the backend, unless the configuration names one. */
  precision: Precision;
}

/** Errors: ERR_ABORTED, ERR_OOM. */
export async function measureRates(measurement: Measurement): Promise<MeasuredRates> {
  const { config, description, images, signal } = measurement;
  const ann = await Network.create(description, networkOptions(config));
  try {
    const trainAnn = await trainingRate(measurement, ann, 'ann');
    const evaluateAnn = await evaluationRate(measurement, ann, 'ann');
    const trainBinary = description.code === undefined ? await binaryRate(measurement, ann) : 0;
    const snn = await converted(measurement, ann);
    try {
      const count = Math.min(config.evaluation.batch, images.testSet.count);
      const energy = { images: count, batch: count, signal };
      return {
        train: { ann: trainAnn, binary: trainBinary, snn: await trainingRate(measurement, snn, 'snn') },
        evaluate: { ann: evaluateAnn, snn: await evaluationRate(measurement, snn, 'snn') },
        energy: count / (await secondsOf(() => measureEnergy(snn, images.testSet, energy), measurement.seconds)),
        precision: ann.precision,
      };
    } finally {
      await snn.dispose();
    }
  } finally {
    await ann.dispose();
  }
}

/** The network of the spiking phase, which fires about as much as that of a run. */
async function converted({ config, description, images, signal }: Measurement, ann: Network): Promise<Network> {
  const parameters = await ann.parameters();
  const folded = description.code === undefined ? await foldNorm(ann.description, parameters) : undefined;
  const snn = await Network.create(folded?.network ?? description, networkOptions(config));
  try {
    if (folded !== undefined) await snn.setParameters(await spikingFromBinary(folded));
    else {
      await snn.setParameters(parameters);
      const { percentile, scale } = config.convert;
      await snn.calibrate(images.calibration, { percentile, scale, signal });
    }
    return snn;
  } catch (error) {
    await snn.dispose();
    throw error;
  }
}

// So small that the network stays what it is: steps of the full rate from random weights may leave the range of floats.
const still = { learningRate: 1e-9, neuronLearningRate: 1e-9 };

async function binaryRate(measurement: Measurement, network: Network): Promise<number> {
  await network.setParameters(equalThresholds(network.layers.slice(0, -1), measurement.config.binary.threshold));
  return trainingRate(measurement, network, 'binary');
}

/** A teacher takes its time as well: another network of the same shape stands for it, if the phase has one. */
async function trainingRate(measurement: Measurement, network: Network, mode: Phase): Promise<number> {
  const { config, description } = measurement;
  const { weight, temperature } = config[mode].distillation;
  if (weight === 0) return stepsRate(measurement, network, { mode });
  const teacher = await Network.create(description, networkOptions(config));
  try {
    return await stepsRate(measurement, network, { mode, distillation: { teacher, weight, temperature } });
  } finally {
    await teacher.dispose();
  }
}

async function stepsRate(
  { config, images, seconds, signal }: Measurement,
  network: Network,
  { mode, distillation }: { mode: Phase; distillation?: DistillationOptions },
): Promise<number> {
  const { batch: size, accumulate, optimizer, augment, labelSmoothing } = config[mode];
  const indices = images.rows.train.slice(0, size * accumulate);
  const batch = {
    dataset: images.train,
    indices,
    ...(augments(augment) ? { augment: { ...augment, seed: config.seed, step: 0 } } : {}),
  };
  const steps = Array.from({ length: network.stepsAtOnce }, () => ({ batch, optimizer: { ...optimizer, ...still } }));
  const work = (): Promise<unknown> =>
    network.trainSteps(steps, { mode, labelSmoothing, distillation, next: batch, signal });
  return (indices.length * steps.length) / (await secondsOf(work, seconds));
}

async function evaluationRate(measurement: Measurement, network: Network, mode: Phase): Promise<number> {
  const { config, images, seconds, signal } = measurement;
  const indices = images.rows.test.slice(0, config.evaluation.batch);
  const work = (): Promise<unknown> => network.evaluate({ dataset: images.test.dataset, indices }, { mode, signal });
  return indices.length / (await secondsOf(work, seconds));
}

/** The median time of the work, repeated for at least `least` seconds. */
async function secondsOf(work: () => Promise<unknown>, least: number): Promise<number> {
  await work();
  const times: number[] = [];
  const began = performance.now();
  do {
    const start = performance.now();
    await work();
    times.push((performance.now() - start) / 1000);
  } while (performance.now() - began < 1000 * least);
  return times.sort((a, b) => a - b)[times.length >> 1]!;
}
