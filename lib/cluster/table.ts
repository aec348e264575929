// Ranked candidates as rows of a table.
import type { RankedCandidate, Spread } from './ranking';

const percent = (spread: Spread | null): string =>
  spread === null ? '–' : `${(100 * spread.mean).toFixed(2)} ± ${(100 * spread.deviation).toFixed(2)} %`;

/** A heading and a row for every candidate, the best first. */
export function tableRows(ranking: readonly RankedCandidate[]): string[][] {
  const keys = Object.keys(ranking[0]?.parameters ?? {});
  const heading = ['', ...keys, 'trials', 'validation', 'test', 'spikes/neuron', 'ANN / SNN'];
  const rows = ranking.map(({ rank, parameters, done, ended, ...means }) => [
    String(rank),
    ...keys.map((key) => valueText(parameters[key])),
    done === ended ? String(ended) : `${done} of ${ended}`,
    percent(means.validationAccuracy),
    percent(means.testAccuracy),
    means.spikesPerNeuron === null ? '–' : means.spikesPerNeuron.mean.toFixed(3),
    means.energyRatio === null ? '–' : means.energyRatio.mean.toPrecision(3),
  ]);
  return [heading, ...rows];
}

/** A value of a parameter: JSON, but for texts, which need no quotes. */
export function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
