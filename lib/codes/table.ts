// Compared codes as rows of a table.
import { joules } from '../energy/table';
import { markdown } from '../io/text/markdown';
import { compact, percent } from '../io/text/numbers';
import type { CodeResult } from './result';

/** A heading, and a row for every code, without the energies. */
export function codeRows(results: readonly CodeResult[]): string[][] {
  const heading = [
    'code',
    'accuracy',
    'steps',
    'within 1 point',
    'spikes/image',
    'ACs/image',
    'MACs/image',
    'images/s',
    'seconds',
  ];
  const rows = results.map((result) => [
    result.code,
    percent(result.accuracy, 2),
    stepsText(result),
    String(result.stepsWithinOnePoint),
    compact(result.spikesPerImage),
    compact(result.operations.ac),
    compact(result.operations.mac),
    compact(result.imagesPerSecond),
    result.seconds.toFixed(1),
  ]);
  return [heading, ...rows];
}

/** The time steps until the last prediction; of `radix` its bits too. */
export function stepsText({ timesteps, bits }: Pick<CodeResult, 'timesteps' | 'bits'>): string {
  return `${timesteps}${bits === undefined ? '' : ` (${bits} bits)`}`;
}

/** A heading, and a row for every code with its energy per image in every account, and the factor to the ANN. */
export function energyRows(results: readonly CodeResult[]): string[][] {
  const accounts = Object.keys(results[0]?.energy ?? {});
  const rows = results.map(({ code, energy }) => [
    code,
    ...accounts.map((account) => {
      const { picojoules, ratio } = energy[account]!;
      return `${joules(picojoules)} (${ratio === null ? '–' : ratio.toPrecision(3)})`;
    }),
  ]);
  return [['code', ...accounts], ...rows];
}

/** One table of Markdown with all columns. */
export function comparisonTable(results: readonly CodeResult[]): string {
  const energies = energyRows(results);
  const rows = codeRows(results).map((row, i) => [...row, ...energies[i]!.slice(1)]);
  return (
    markdown(rows) +
    '\nEnergies are means per image, in brackets the energy of the dense network over it. Within 1 point: the first step after\n' +
    'which the accuracy stays within one point of that of the row.\n'
  );
}
