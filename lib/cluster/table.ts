// Ranked candidates as rows of a table.
import type { RankedCandidate, Spread } from './ranking';

const percent = ({ mean, deviation }: Spread): string =>
  `${(100 * mean).toFixed(2)} ± ${(100 * deviation).toFixed(2)} %`;

/** A dash stands for what was not measured. */
const shown = (spread: Spread | null, text: (spread: Spread) => string): string => (spread ? text(spread) : '–');

/** A heading and a row for every candidate, the best first. */
export function tableRows(ranking: readonly RankedCandidate[]): string[][] {
  const keys = Object.keys(ranking[0]?.parameters ?? {});
  const heading = ['', ...keys, 'trials', 'validation', 'test', 'spikes/neuron', 'ANN / SNN'];
  const rows = ranking.map(({ rank, parameters, done, ended, ...means }) => [
    String(rank),
    ...keys.map((key) => valueText(parameters[key])),
    done === ended ? String(ended) : `${done} of ${ended}`,
    shown(means.validationAccuracy, percent),
    shown(means.testAccuracy, percent),
    shown(means.spikesPerNeuron, ({ mean }) => mean.toFixed(3)),
    shown(means.energyRatio, ({ mean }) => mean.toPrecision(3)),
  ]);
  return [heading, ...rows];
}

/** A value of a parameter: JSON, but for texts, which need no quotes. */
export function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
