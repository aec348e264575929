// Ranked candidates as rows of a table.
import type { RankedCandidate, Spread } from './ranking';

const percent = (spread: Spread | null): string =>
  spread === null ? '–' : `${(100 * spread.mean).toFixed(2)} ± ${(100 * spread.deviation).toFixed(2)} %`;

/** A heading and a row for every candidate, the best first. */
export function tableRows(ranking: readonly RankedCandidate[]): string[][] {
  const keys = Object.keys(ranking[0]?.parameters ?? {});
  const heading = ['', ...keys, 'trials', 'validation', 'test', 'spikes/neuron'];
  const rows = ranking.map(({ rank, parameters, done, ended, validationAccuracy, testAccuracy, spikesPerNeuron }) => [
    String(rank),
    ...keys.map((key) => valueText(parameters[key])),
    done === ended ? String(ended) : `${done} of ${ended}`,
    percent(validationAccuracy),
    percent(testAccuracy),
    spikesPerNeuron === null ? '–' : spikesPerNeuron.mean.toFixed(3),
  ]);
  return [heading, ...rows];
}

/** A value of a parameter: JSON, but for texts, which need no quotes. */
export function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
