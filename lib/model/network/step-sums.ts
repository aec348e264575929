// The results of several steps as those of one over all their images.
import type { StepStats } from '../../native/network';
import type { ForwardStats } from './options';

/** Sums over images, as plain numbers. */
export interface StepTotals {
  /** The sum of the losses of the images; NaN if some had no labels. */
  loss: number;
  correct: number;
  count: number;
  /** Per hidden spiking layer: neurons that fired. */
  spikes: number[];
}

/** Adds up the results of steps. */
export class StepSums {
  readonly #totals: StepTotals;
  #only: number | undefined;
  #badLayer: number | null = null;
  #seconds = 0;
  #decisions: number | undefined;

  /** Begins with the totals of earlier steps, or with none. */
  constructor({ loss, correct, count, spikes }: Readonly<StepTotals> = { loss: 0, correct: 0, count: 0, spikes: [] }) {
    this.#totals = { loss, correct, count, spikes: [...spikes] };
  }

  add(stats: StepStats | ForwardStats): this {
    const totals = this.#totals;
    const loss = stats.loss ?? NaN;
    this.#only = totals.count === 0 ? loss : undefined;
    totals.loss += loss * stats.count;
    totals.correct += stats.correct;
    totals.count += stats.count;
    stats.spikes.forEach((fired, layer) => (totals.spikes[layer] = (totals.spikes[layer] ?? 0) + fired));
    this.#badLayer ??= stats.badLayer;
    this.#seconds += stats.seconds;
    if (stats.meanDecisionStep !== undefined)
      this.#decisions = (this.#decisions ?? 0) + stats.meanDecisionStep * stats.count;
    return this;
  }

  /** The sums so far, as a value of its own. */
  totals(): StepTotals {
    return { ...this.#totals, spikes: [...this.#totals.spikes] };
  }

  /** What one step over all the images would have reported. The loss of a single step comes back exactly. */
  mean(): StepStats {
    const { loss, correct, count, spikes } = this.#totals;
    return {
      loss: this.#only ?? loss / count,
      correct,
      count,
      spikes: Float64Array.from(spikes),
      gradientNorm: 0,
      badLayer: this.#badLayer,
      seconds: this.#seconds,
      ...(this.#decisions === undefined ? {} : { meanDecisionStep: this.#decisions / count }),
    };
  }
}
