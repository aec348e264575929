// Energy of one inference in every account, the dense ANN beside the spiking network.
import type { EnergyAccount, EnergyReport } from '../../energy';
import type { RunData } from '../data/run-data';
import { drawBars } from '../draw/bars';
import { joules, number } from '../draw/scale';
import { colour } from '../draw/theme';
import type { Figure, Section } from '../figure';
import { layerTitle } from './neurons';

export function energySection({ test, missing, run }: RunData): Section {
  const section = { name: 'energy', title: 'Energy', figures: [] };
  if (test === null) return { ...section, notes: [`The energy account is missing: ${missing}.`] };
  if (test.energy === null)
    return { ...section, notes: ['There is no energy account: the network is not spiking, or energy.images is 0.'] };
  const report = test.energy;
  const memory = report.accounts.find(({ constants }) => constants.memory !== null)?.constants.memory;
  return {
    ...section,
    notes: [
      'Energies are counts of operations times published constants of a 45 nm process. They compare algorithms, not devices.' +
        (memory === undefined || memory === null
          ? ''
          : ` The accounts with memory charge every byte to ${memory.name} and keep nothing in a cache.`),
    ],
    figures: [accountsFigure(report)],
    tables: [
      {
        title: 'Operations per image',
        table: {
          columns: ['layer', 'dense MACs', 'spiking MACs', 'accumulates', 'spikes'],
          rows: report.layers.map(({ layer, annMacs, macs, scheduleMacs, accumulates, spikes }) => [
            layerTitle(run.info.network, layer),
            ...[annMacs, macs + scheduleMacs, accumulates, spikes].map((value) => ({ text: number(value), value })),
          ]),
        },
      },
    ],
  };
}

const nameOf = ({ account, constants }: EnergyAccount): string =>
  `${constants.name}${account === 'compute' ? '' : ' + memory'}`;

const factor = (value: number): string => String(Number(value.toPrecision(value < 2 ? 3 : 2)));

function accountsFigure({ accounts, images }: EnergyReport): Figure {
  const words = (account: EnergyAccount): string =>
    account.ratio === null
      ? ''
      : account.ratio >= 1
        ? `, ${factor(account.ratio)} times less`
        : `, ${factor(1 / account.ratio)} times more`;
  return {
    name: 'energy-accounts',
    title: 'Energy per image, ANN and SNN',
    caption: `Each account by itself: the bar of its ANN is 1 long. Mean over ${images.toLocaleString('en-US')} test images.`,
    drawing: drawBars({
      legend: [
        { name: 'ANN (dense)', colour: colour('third') },
        { name: 'SNN', colour: colour('first') },
      ],
      rows: accounts.map((account) => ({
        name: nameOf(account),
        bars: [
          {
            value: 1,
            label: joules(account.annPicojoules),
            colour: colour('third'),
            title: `ANN, ${nameOf(account)}: ${joules(account.annPicojoules)}`,
          },
          {
            value: account.annPicojoules > 0 ? account.snnPicojoules / account.annPicojoules : 0,
            label: `${joules(account.snnPicojoules)}${words(account)}`,
            colour: colour('first'),
            title: `SNN, ${nameOf(account)}: ${joules(account.snnPicojoules)}`,
          },
        ],
      })),
    }),
    table: {
      columns: ['account', 'pJ per MAC', 'pJ per accumulate', 'pJ per byte', 'ANN in pJ', 'SNN in pJ', 'ANN / SNN'],
      rows: accounts.map((account) => {
        const { constants, annPicojoules, snnPicojoules, ratio } = account;
        return [
          nameOf(account),
          { text: String(constants.macPicojoules), value: constants.macPicojoules },
          { text: String(constants.accumulatePicojoules), value: constants.accumulatePicojoules },
          constants.memory === null
            ? '–'
            : { text: String(constants.memory.picojoulesPerByte), value: constants.memory.picojoulesPerByte },
          { text: number(annPicojoules), value: annPicojoules },
          { text: number(snnPicojoules), value: snnPicojoules },
          ratio === null ? '–' : { text: number(ratio), value: ratio },
        ];
      }),
    },
  };
}
