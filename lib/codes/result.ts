// What a code made of test images, in the numbers that codes are compared by.
import type { EnergyReport } from '../energy';
import type { StepAccuracy } from './measure';

/** What a code made of test images. Energies are means per image, in picojoules. */
export interface CodeResult {
  /** The code. */
  code: string;
  /** The time steps until its last prediction, over all layers. */
  timesteps: number;
  /** Of `radix` its bits, the number of steps by which papers count it. */
  bits?: number;
  /**
   * The accuracy, from 0 to 1: of a simulated code the highest that it had after any recorded step, of a trained
   * network, whose number of steps is fixed, that after the last one.
   */
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

/** A result with the accuracy after every recorded step. */
export interface MeasuredCode {
  /** The result. */
  result: CodeResult;
  /** The accuracy after every recorded step, in order. */
  steps: StepAccuracy[];
}

/** The part of a result that follows from what was counted. */
export function countedResult(report: EnergyReport): Pick<CodeResult, 'spikesPerImage' | 'operations' | 'energy'> {
  const { total, layers, accounts } = report;
  return {
    // Of the events that arrive, those of the first layer are the pixels'.
    spikesPerImage: layers[0]!.events + total.spikes,
    operations: { ac: total.accumulates, mac: total.macs + total.scheduleMacs },
    energy: Object.fromEntries(
      accounts.map(({ account, constants, snnPicojoules, ratio }) => [
        `${account}/${constants.name}`,
        { picojoules: snnPicojoules, ratio },
      ]),
    ),
  };
}
