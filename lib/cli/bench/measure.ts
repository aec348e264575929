// The timed steps.
import type { ProfileEntry } from '../../model/network';
import { StepSums } from '../../model/network/step-sums';
import { meanActivity, hiddenLayers, layerActivity } from '../../train/run/activity';
import type { LayerActivity } from '../../train/run/events';
import { neededBytes, peakRss, type NeededBytes } from './memory';
import type { BenchSettings } from './settings';
import type { Subject, SubjectOptions } from './subject';

// A rate at which nothing diverges, so that every step does the same work.
const optimizer = { kind: 'sgd', learningRate: 1e-6, neuronLearningRate: 1e-6, momentum: 0.9 } as const;

export interface Measurement {
  /** The time of every timed step. */
  milliseconds: number[];
  /** The activity of the hidden layers over the timed steps; empty for an ANN. */
  activity: LayerActivity[];
  spikesPerNeuron: number | null;
  /** Mean step at which images were decided, with early exit. */
  decisionStep: number | null;
  /** Most memory before the first step, and in all. */
  setupPeakRss: number;
  peakRss: number;
  needed: NeededBytes;
  /** The operations of the timed steps together; empty unless asked for. */
  profile: ProfileEntry[];
}

/** Runs the warm-up and the timed steps. Errors: those of Network. */
export async function measure(
  { network, batch }: Subject,
  settings: BenchSettings,
  { signal, progress }: SubjectOptions,
): Promise<Measurement> {
  const { mode, phase, training, warmup, iterations } = settings;
  const setupPeakRss = peakRss();
  const milliseconds: number[] = [];
  const sums = new StepSums();
  for (let step = 0; step < warmup + iterations; step++) {
    progress(
      step < warmup
        ? `${mode}  warming up, step ${step + 1} of ${warmup}`
        : `${mode}  step ${step - warmup + 1} of ${iterations}`,
    );
    if (step === warmup && settings.layers) network.profile();
    const { pixels, labels } = batch(step);
    const started = performance.now();
    const stats = training
      ? await network.trainStep({ pixels, labels }, { mode: phase, optimizer, signal })
      : (await network.forward(pixels, { mode: phase, earlyExit: settings.earlyExit, signal })).stats;
    const passed = performance.now() - started;
    if (step < warmup) continue;
    milliseconds.push(passed);
    sums.add(stats);
  }
  const { spikes, count, meanDecisionStep = null } = sums.mean();
  const activity = phase === 'snn' ? layerActivity(hiddenLayers(network), spikes, count) : [];
  return {
    milliseconds,
    activity,
    setupPeakRss,
    decisionStep: meanDecisionStep,
    spikesPerNeuron: phase === 'snn' ? meanActivity(activity) : null,
    peakRss: peakRss(),
    needed: neededBytes(network.description, training),
    profile: settings.layers ? network.profile() : [],
  };
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
}
