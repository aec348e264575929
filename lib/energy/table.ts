// The energy report as text for people.
import { expected } from '../check';
import type { EnergyAccount, EnergyReport } from './account';

/**
 * Formats a report as text: a table of operations per layer and one of energy per account, with the constants of every
 * row. The text ends without a newline.
 *
 * Errors: ERR_ARG.
 */
export function formatEnergyTable(report: EnergyReport): string {
  if (typeof report !== 'object' || report === null || !Array.isArray(report.accounts) || !Array.isArray(report.layers))
    throw expected('what energyAccount returned', 'report', report);
  const { total, headline } = report;
  const perLayer = new Map(headline.layers.map((layer) => [layer.layer, layer]));
  const operations = [
    ['layer', 'dense MACs', 'spiking MACs', 'accumulates', 'spikes/neuron', 'ratio'],
    ...report.layers.map((layer, index) => [
      `${layer.layer} ${layer.type}`,
      count(layer.annMacs),
      count(layer.macs + layer.scheduleMacs),
      count(layer.accumulates),
      index === report.layers.length - 1 ? '-' : (layer.spikes / layer.neurons).toFixed(3),
      ratio(perLayer.get(layer.layer)?.ratio ?? null),
    ]),
    [
      'total',
      count(total.annMacs),
      count(total.macs + total.scheduleMacs),
      count(total.accumulates),
      total.spikesPerNeuron.toFixed(3),
      ratio(headline.ratio),
    ],
  ];
  const energy = [
    ['account', 'constants', 'pJ/MAC', 'pJ/AC', 'pJ/byte', 'dense', 'spiking', 'ratio'],
    ...report.accounts.map((entry) => [
      entry.account,
      entry.constants.name,
      String(entry.constants.macPicojoules),
      String(entry.constants.accumulatePicojoules),
      entry.constants.memory === null ? '-' : String(entry.constants.memory.picojoulesPerByte),
      joules(entry.annPicojoules),
      joules(entry.snnPicojoules),
      ratio(entry.ratio),
    ]),
  ];
  const input = report.expectedInput ? '; input spikes are expected numbers' : '';
  return [
    `${report.network}: operations per image, mean of ${report.images} (T = ${report.timesteps}, ${report.code === undefined ? `${report.encoder} input` : `code ${report.code.kind}`}${input})`,
    columns(operations),
    `The ratio of a layer is in account ${headline.account}, constants ${headline.constants.name}.`,
    '',
    'Energy per image, dense network over spiking network',
    columns(energy),
    ...sources(report.accounts),
  ].join('\n');
}

function sources(accounts: readonly EnergyAccount[]): string[] {
  const memory = accounts.find((entry) => entry.constants.memory !== null)?.constants.memory;
  const names = new Map<string, string[]>();
  for (const { constants } of accounts) {
    const list = names.get(constants.source) ?? [];
    if (!list.includes(constants.name)) names.set(constants.source, [...list, constants.name]);
  }
  const lines = [...names].map(([source, formats]) => `${formats.join(', ')}: ${source}.`);
  return memory === undefined || memory === null
    ? lines
    : [...lines, `bytes, ${memory.name}, nothing cached: ${memory.source}.`];
}

function columns(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  // Words to the left, numbers to the right: a column is of words if its first data cell is.
  const left = rows[1]!.map((cell, column) => column === 0 || /^[a-z]/.test(cell));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (left[column] ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function ratio(value: number | null): string {
  return value === null ? '-' : value.toPrecision(4);
}

/** Four significant digits with a unit: `12.40 uJ` for 12.4e6 pJ. */
export function joules(picojoules: number): string {
  const [scale, unit] =
    picojoules >= 1e9 ? [1e9, 'mJ'] : picojoules >= 1e6 ? [1e6, 'uJ'] : picojoules >= 1e3 ? [1e3, 'nJ'] : [1, 'pJ'];
  return `${(picojoules / scale).toPrecision(4)} ${unit}`;
}
