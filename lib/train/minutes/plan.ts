// What a run of so many minutes trains: width of the network, batch and epochs, by the measured rates of this machine.
import { OneSpikeError } from '../../errors';
import type { LoadedDataset } from '../../data';
import type { TrainConfig } from '../config/config';
import { placeImages, type RunImages } from '../rows/images';
import { networkOf } from '../loop/model';
import { PHASES, type PlanEvent } from '../run/events';
import { measureRates, type MeasuredRates } from './measure';
import { fitEpochs, SHARES, timesOf, trainingSeconds, type Counts, type PerPhase, type Times } from './times';

/** What `minutes` chose at the start of a run, as run.json records it. */
export type TimePlan = Omit<PlanEvent, 'event'>;

/** A configuration with everything chosen, and the times that it was chosen by. */
export interface PlannedRun {
  config: TrainConfig;
  plan: TimePlan;
  times: Times;
}

/** The widths to choose from: the narrowest, which is measured first, up to more than the network itself. */
const WIDTHS = [0.25, 0.5, 1, 2];
/**
 * ANN epochs below which a narrower network is better: on CIFAR-10 the ANN of vgg7 had 86.7 % on the test images at
 * twice its width after 7 epochs and 91.6 % after 18, 89.5 % at its own width after 11, and 88.9 % at half of it after
 * 20.
 */
const ENOUGH_EPOCHS = 14;
/** The next width takes two to four times as long; it is measured where it may have enough epochs. */
const HOPEFUL_EPOCHS = 2 * ENOUGH_EPOCHS;
/** No wider network is measured once measuring has taken this share of the time: the widest takes longest. */
const MEASURING_SHARE = 0.05;
/**
 * Steps that an epoch has at least; fewer images are trained on in smaller batches, at rates smaller by the same
 * factor.
 */
const LEAST_STEPS = 20;
const LEAST_BATCH = 16;

interface Candidate {
  config: TrainConfig;
  rates: MeasuredRates;
  times: Times;
  epochs: PerPhase;
}

/**
 * Chooses what ends `config.minutes` after the start of the run, `elapsed()` seconds of which are over.
 * Errors: ERR_ARG if one epoch of every phase does not fit; ERR_ABORTED, ERR_OOM, ERR_SHAPE.
 */
export async function planRun(
  config: TrainConfig,
  minutes: number,
  loaded: LoadedDataset,
  { elapsed, signal }: { elapsed: () => number; signal?: AbortSignal | undefined },
): Promise<PlannedRun> {
  const images = placeImages(loaded, config);
  try {
    const sized = withBatch(config, images.rows.train.length);
    const counts = countsOf(config, images);
    const widths = config.model.width === undefined ? WIDTHS : [config.model.width];
    let chosen: Candidate | undefined;
    const began = elapsed();
    for (const width of widths) {
      if (chosen !== undefined && elapsed() - began > MEASURING_SHARE * 60 * minutes) break;
      const candidate = await tryWidth(sized, width, { loaded, images, counts, minutes, elapsed, signal });
      if (chosen !== undefined && candidate.epochs.ann < ENOUGH_EPOCHS) break;
      chosen = candidate;
      if (candidate.epochs.ann < HOPEFUL_EPOCHS) break;
    }
    const plan = planOf(chosen!, minutes, elapsed());
    checkFits(plan, chosen!.config, counts);
    return { config: withEpochs(chosen!.config, plan.epochs), plan, times: chosen!.times };
  } finally {
    images.dispose();
  }
}

async function tryWidth(
  config: TrainConfig,
  width: number,
  given: {
    loaded: LoadedDataset;
    images: RunImages;
    counts: Counts;
    minutes: number;
    elapsed: () => number;
    signal?: AbortSignal | undefined;
  },
): Promise<Candidate> {
  const { loaded, images, counts, minutes, elapsed, signal } = given;
  const scaled = { ...config, model: { ...config.model, width } };
  const description = networkOf(scaled.model, loaded);
  const seconds = Math.min(0.7, 0.1 * minutes);
  const measured = async (precision: TrainConfig['precision']): Promise<Candidate> => {
    const tried = { ...scaled, precision };
    const rates = await measureRates({ config: tried, description, images, seconds, signal });
    const times = timesOf(rates, counts, SHARES[description.code === undefined ? 'spikes' : 'code']);
    const left = 60 * minutes - elapsed() - times.rest;
    return { config: tried, rates, times, epochs: fitEpochs(left, times, { ann: 0, binary: 0, snn: 0 }) };
  };
  const first = await measured(config.precision);
  if (config.precision !== undefined || first.rates.precision === 'mixed') return first;
  const mixed = await measured('mixed');
  return trainingTime(mixed) < trainingTime(first) ? mixed : first;
}

/** The time of one epoch of every phase, each as often as its share of a run says. */
function trainingTime({ times }: Candidate): number {
  return trainingSeconds(times.epoch, times.shares);
}

function countsOf(config: TrainConfig, { rows, testSet }: RunImages): Counts {
  const { train, validation, test } = rows;
  return {
    train: train.length,
    validation: validation.length,
    test: test.length,
    energy: Math.min(config.energy.images, testSet.count),
  };
}

/** Batches of ANN and binary phase that leave an epoch enough steps, with rates in proportion. */
function withBatch(config: TrainConfig, images: number): TrainConfig {
  const smaller = (phase: 'ann' | 'binary'): TrainConfig[typeof phase] => {
    const { batch, optimizer } = config[phase];
    let size = batch;
    while (size > LEAST_BATCH && images / size < LEAST_STEPS) size = Math.ceil(size / 2);
    const factor = size / batch;
    const { learningRate, neuronLearningRate } = optimizer;
    const rates = {
      learningRate: learningRate * factor,
      ...(neuronLearningRate === undefined ? {} : { neuronLearningRate: neuronLearningRate * factor }),
    };
    return { ...config[phase], batch: size, optimizer: { ...optimizer, ...rates } };
  };
  return { ...config, ann: smaller('ann'), binary: smaller('binary') as TrainConfig['binary'] };
}

function withEpochs(config: TrainConfig, epochs: PerPhase): TrainConfig {
  const { ann, binary, snn } = config;
  return {
    ...config,
    ann: { ...ann, epochs: epochs.ann },
    binary: { ...binary, epochs: epochs.binary },
    snn: { ...snn, epochs: epochs.snn },
  };
}

function planOf({ config, rates, times, epochs }: Candidate, minutes: number, elapsed: number): TimePlan {
  return {
    minutes,
    width: config.model.width!,
    precision: rates.precision,
    batch: config.ann.batch,
    epochs,
    imagesPerSecond: rates.train,
    seconds: elapsed + trainingSeconds(times.epoch, epochs) + times.rest,
  };
}

/** Errors: ERR_ARG with the minutes that would be enough. */
function checkFits({ minutes, seconds, epochs, width }: TimePlan, config: TrainConfig, { train }: Counts): void {
  if (seconds <= 1.1 * 60 * minutes || PHASES.some((phase) => epochs[phase] > 1)) return;
  const { model, dataset } = config;
  throw new OneSpikeError(
    'ERR_ARG',
    `Expected at least ${(Math.ceil(seconds / 6) / 10).toFixed(1)} for minutes, in which this machine makes one epoch of every phase of ` +
      `${model.name} at width ${width} on the ${train} images of ${dataset.name}, but received ${minutes}; fewer images ` +
      '(dataset.trainCount, dataset.testCount) take less time',
  );
}
