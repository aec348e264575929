// What a network answers to the test images, gathered batch by batch, and the images that it knows best and worst.
import { argmax } from '../../model/anytime';
import type { Answers } from '../run/test-record';

/** Collects the answers from the logits, in the order of the images. */
export class AnswerCollector {
  readonly #answers: Answers;
  #done = 0;

  constructor(
    labels: Int32Array,
    private readonly classes: number,
  ) {
    const { length } = labels;
    this.#answers = {
      labels,
      predictions: new Int32Array(length),
      probabilities: new Float32Array(length),
      ranks: new Int32Array(length),
    };
  }

  /** The logits (n, K) of the next n images. */
  add(logits: Float32Array): void {
    const { labels, predictions, probabilities, ranks } = this.#answers;
    for (let start = 0; start < logits.length; start += this.classes, this.#done++) {
      const image = logits.subarray(start, start + this.classes);
      const label = labels[this.#done]!;
      const own = image[label]!;
      const best = argmax(image, 0, this.classes);
      predictions[this.#done] = best;
      // Of equal logits the first one is the prediction.
      ranks[this.#done] = image.reduce(
        (sum, logit, k) => sum + (logit > own || (logit === own && k < label) ? 1 : 0),
        0,
      );
      probabilities[this.#done] =
        Math.exp(own - image[best]!) / image.reduce((sum, logit) => sum + Math.exp(logit - image[best]!), 0);
    }
  }

  get answers(): Answers {
    return this.#answers;
  }
}

/**
 * Rows of the images whose label is least probable to the network (`worst`) or most (`best`), that first: at most one
 * of every class, so that one class does not fill the list, then any.
 */
export function exampleRows({ labels, probabilities }: Answers, kind: 'worst' | 'best', count: number): number[] {
  const sign = kind === 'worst' ? 1 : -1;
  const order = Array.from(labels.keys()).sort((a, b) => sign * (probabilities[a]! - probabilities[b]!) || a - b);
  const seen = new Set<number>();
  const firsts = order.filter((row) => !seen.has(labels[row]!) && seen.add(labels[row]!));
  const chosen = new Set([...new Set([...firsts.slice(0, count), ...order])].slice(0, count));
  return order.filter((row) => chosen.has(row));
}
