// How long a run takes, reckoned from measured rates, and the numbers of epochs that fit into a time. Times are in
// seconds.
import { PHASES, type Phase } from '../run/events';

/** Rates of one machine and network, in images per second. */
export interface Rates {
  /** Training steps of every phase; 0 of one that the run does not have. */
  train: Record<Phase, number>;
  /** Evaluations of the ANN and of the spiking network. */
  evaluate: { ann: number; snn: number };
  /** The count of operations for the energy account. */
  energy: number;
}

/** Numbers of images. */
export interface Counts {
  train: number;
  validation: number;
  test: number;
  /** Those of the energy account. */
  energy: number;
}

/** A number for every phase: epochs, or the seconds of one. */
export type PerPhase = Record<Phase, number>;

/** What a run will need. */
export interface Times {
  /** One epoch of every phase, with its validation; 0 of one that the run does not have. */
  epoch: PerPhase;
  /** The shares of the phases in the training time. */
  shares: PerPhase;
  /** Everything but epochs: conversion, tests and the energy account. */
  rest: number;
}

/**
 * On CIFAR the ANN sets the level, the binary activation is what costs accuracy, and spiking epochs after it change
 * little (docs/RESULTS.md). A network with a code has no binary phase: its conversion rounds, and the first epoch with
 * the code makes up for most of that.
 */
export const SHARES: Record<'spikes' | 'code', PerPhase> = {
  spikes: { ann: 0.6, binary: 0.32, snn: 0.08 },
  code: { ann: 0.8, binary: 0, snn: 0.2 },
};

export function timesOf({ train, evaluate, energy }: Rates, counts: Counts, shares: PerPhase): Times {
  const epoch = (phase: Phase): number =>
    shares[phase] === 0
      ? 0
      : counts.train / train[phase] + counts.validation / evaluate[phase === 'snn' ? 'snn' : 'ann'];
  return {
    shares,
    epoch: { ann: epoch('ann'), binary: epoch('binary'), snn: epoch('snn') },
    // The test images are seen by the ANN, after the conversion, and at the end.
    rest: counts.test / evaluate.ann + (counts.validation + 2 * counts.test) / evaluate.snn + counts.energy / energy,
  };
}

/** The time of so many epochs. */
export function trainingSeconds(epoch: PerPhase, epochs: PerPhase): number {
  return PHASES.reduce((sum, phase) => sum + epochs[phase] * epoch[phase], 0);
}

/**
 * The numbers of epochs that take about `seconds` together, those included that are over. The phases before `from` keep
 * theirs, and `from` does not end before what it has done. Every phase that has a share has one epoch at least; the
 * ANN's and the binary ones are rounded down, and spiking epochs, the shortest ones, fill what is left.
 */
export function fitEpochs(
  seconds: number,
  { epoch, shares }: Pick<Times, 'epoch' | 'shares'>,
  done: PerPhase,
  from: Phase = 'ann',
): PerPhase {
  const share = (phase: Phase): number => shares[phase] * seconds;
  const atLeast = (phase: Phase, wanted: number): number =>
    shares[phase] === 0 ? 0 : Math.max(1, done[phase], wanted);
  const begins = PHASES.indexOf(from);
  const binary =
    begins > PHASES.indexOf('binary') ? done.binary : atLeast('binary', Math.floor(share('binary') / epoch.binary));
  const forAnn = seconds - binary * epoch.binary - Math.max(epoch.snn, share('snn'));
  const ann = begins > PHASES.indexOf('ann') ? done.ann : atLeast('ann', Math.floor(forAnn / epoch.ann));
  const left = seconds - ann * epoch.ann - binary * epoch.binary;
  return { ann, binary, snn: atLeast('snn', Math.round(left / epoch.snn)) };
}
