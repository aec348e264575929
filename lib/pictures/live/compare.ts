// Several runs in the same charts.
import { PHASES } from '../../train/run/events';
import { testAccuracies, type RunData } from '../data/run-data';
import { phaseNames, pointsOf, topEpoch, type Epoch, type Timeline } from '../data/series';
import { drawLines, type Band, type LineChart } from '../draw/lines';
import { number, percent } from '../draw/scale';
import type { Cell, Figure, Section } from '../figure';

export interface ComparedRun {
  name: string;
  colour: string;
  data: RunData;
}

export function compareSection(runs: readonly ComparedRun[]): Section {
  const bands = commonBands(runs.map(({ data }) => data.timeline));
  const placed = runs.map(({ name, colour, data }) => ({ name, colour, epochs: alongside(data.timeline, bands) }));
  const figure = (
    name: string,
    title: string,
    caption: string,
    values: LineChart['values'],
    value: (epoch: Epoch) => number | null,
  ): Figure[] => {
    const curves = placed.flatMap(({ name: run, colour, epochs }) => {
      // A phase at a time: where one run has fewer epochs of a phase than another, no line leads to the next.
      const curves = bands.map(({ phase }) => epochs.filter((epoch) => epoch.phase === phase));
      return curves
        .map((some) => ({ name: run, colour, points: pointsOf(some, value) }))
        .filter(({ points }) => points.length > 0);
    });
    return curves.length === 0 ? [] : [{ name, title, caption, drawing: drawLines({ bands, curves, values }) }];
  };
  return {
    name: 'compare',
    kind: 'curves',
    title: 'All runs',
    notes: [],
    figures: [
      ...figure(
        'compare-accuracy',
        'Accuracy',
        'Share of the validation images that are classified correctly, of the training images where there are none.',
        'share',
        ({ validationAccuracy, trainAccuracy }) => validationAccuracy ?? trainAccuracy,
      ),
      ...figure(
        'compare-loss',
        'Loss',
        'Mean cross-entropy of the validation images, of the training images where there are none.',
        'number',
        ({ validationLoss, trainLoss }) => validationLoss ?? trainLoss,
      ),
      ...figure(
        'compare-spikes',
        'Spikes per neuron',
        'Mean over all hidden neurons and images; a neuron fires at most once.',
        'number',
        ({ layers, spikesPerNeuron }) => (layers.length > 0 ? spikesPerNeuron : null),
      ),
    ],
    tables: [{ title: 'Results', table: { columns, rows: runs.map(resultRow) } }],
  };
}

const columns = [
  'run',
  'epochs',
  'best validation',
  'ANN, test',
  'binary ANN, test',
  'converted, test',
  'SNN, test',
  'spikes per neuron',
];

function resultRow({ name, data }: ComparedRun): Cell[] {
  const { results } = data;
  const accuracy = (value: number | null | undefined): Cell =>
    value === null || value === undefined ? '–' : { text: percent(value, 2), value };
  const { epochs } = data.timeline;
  const tested = testAccuracies(data);
  const spikes = results?.snn.spikesPerNeuron ?? epochs.findLast(({ phase }) => phase === 'snn')?.spikesPerNeuron;
  return [
    name,
    { text: String(epochs.length), value: epochs.length },
    accuracy(topEpoch(epochs)?.validationAccuracy),
    accuracy(tested.ann),
    accuracy(tested.binary),
    accuracy(tested.converted),
    accuracy(tested.snn),
    spikes === undefined || spikes === null ? '–' : { text: number(spikes), value: spikes },
  ];
}

/** Every phase as long as in the run that has most of it. */
function commonBands(timelines: readonly Timeline[]): (Band & { phase: string })[] {
  let from = 0;
  return PHASES.flatMap((phase) => {
    const epochs = Math.max(
      0,
      ...timelines.flatMap(({ bands }) => bands.filter((band) => band.phase === phase).map((band) => band.epochs)),
    );
    if (epochs === 0) return [];
    const band = { phase, name: phaseNames[phase], from, epochs };
    from += epochs;
    return [band];
  });
}

/** The epochs of a run where the common axis has them. */
function alongside({ epochs }: Timeline, bands: readonly (Band & { phase: string })[]): Epoch[] {
  const starts = new Map(bands.map(({ phase, from }) => [phase, from]));
  return epochs.map((epoch) => ({ ...epoch, x: starts.get(epoch.phase)! + epoch.epoch }));
}
