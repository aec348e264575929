// What the answers to the test images say, class by class.
import type { Answers } from '../../train/run/test-record';

/** Images of each class (row) by the class that the network answered (column). */
export function confusion({ labels, predictions }: Answers, classes: number): number[][] {
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  labels.forEach((label, i) => counts[label]![predictions[i]!]!++);
  return counts;
}

export interface ClassScore {
  label: number;
  images: number;
  right: number;
}

export function perClass({ labels, ranks }: Answers, classes: number): ClassScore[] {
  const scores = Array.from({ length: classes }, (_, label) => ({ label, images: 0, right: 0 }));
  labels.forEach((label, i) => {
    const score = scores[label]!;
    score.images++;
    if (ranks[i] === 0) score.right++;
  });
  return scores;
}

/** The share of the images whose label is among the `k` likeliest classes. */
export function topAccuracy({ ranks }: Answers, k: number): number {
  return ranks.reduce((sum, rank) => sum + (rank < k ? 1 : 0), 0) / ranks.length;
}

export interface Confusion {
  label: number;
  answer: number;
  images: number;
  /** Share of the images of the class. */
  share: number;
}

/** What is mistaken for what, most often first. */
export function mistakes({ labels, predictions }: Answers, classes: number, most: number): Confusion[] {
  const counts = new Map<number, number>();
  const totals = new Map<number, number>();
  labels.forEach((label, i) => {
    totals.set(label, (totals.get(label) ?? 0) + 1);
    const pair = label * classes + predictions[i]!;
    if (label !== predictions[i]) counts.set(pair, (counts.get(pair) ?? 0) + 1);
  });
  return [...counts]
    .map(([pair, images]) => {
      const label = Math.floor(pair / classes);
      return { label, answer: pair % classes, images, share: images / totals.get(label)! };
    })
    .sort((a, b) => b.images - a.images || a.label - b.label || a.answer - b.answer)
    .slice(0, most);
}
