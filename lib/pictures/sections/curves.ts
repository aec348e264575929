// How the training went, epoch by epoch.
import type { Phase } from '../../train/run/events';
import { testAccuracies, type RunData } from '../data/run-data';
import { MOST_POINTS, phaseNames, pointsOf, thinned, type Epoch } from '../data/series';
import { drawLines, type Curve, type LineChart, type Mark } from '../draw/lines';
import { number, percent } from '../draw/scale';
import { colour } from '../draw/theme';
import type { Cell, Figure, Section, Table } from '../figure';

type Value = (epoch: Epoch) => number | null | undefined;

const MOST_ROWS = 400;

export function curvesSection(data: RunData): Section {
  const { epochs } = data.timeline;
  const section = { name: 'curves', title: 'Training', notes: [], figures: [] };
  if (epochs.length === 0) return { ...section, notes: ['No epoch has been completed yet.'] };
  const reduction =
    epochs.length > MOST_POINTS
      ? ` ${epochs.length.toLocaleString('en-US')} epochs are drawn as the lowest and the highest value of ` +
        `${Math.floor(MOST_POINTS / 2)} stretches.`
      : '';
  const figure = (name: string, title: string, caption: string, chart: Omit<LineChart, 'bands'>): Figure => ({
    name,
    title,
    caption: caption + reduction,
    drawing: drawLines({ bands: data.timeline.bands, ...chart }),
  });
  const curve = (name: string, value: Value, stroke: string, dashed = false): Curve[] => {
    const points = pointsOf(epochs, value);
    return points.length === 0 ? [] : [{ name, colour: stroke, dashed, points }];
  };
  const tested = testMarks(data);
  const rates = curve(
    'learning rate',
    (epoch) => (epoch.learningRate > 0 ? epoch.learningRate : null),
    colour('first'),
  );
  const spiking = (epoch: Epoch): number | null => (epoch.layers.length > 0 ? epoch.spikesPerNeuron : null);
  const active = curve('spikes per neuron', spiking, colour('first'));
  return {
    ...section,
    figures: [
      figure(
        'accuracy',
        'Accuracy',
        'Share of the images that are classified correctly. Epochs of each phase along the axis.',
        {
          values: 'share',
          curves: [
            ...curve('validation images', (epoch) => epoch.validationAccuracy, colour('second')),
            ...curve('training images', (epoch) => epoch.trainAccuracy, colour('first'), true),
          ],
          ...(tested.length > 0
            ? { marks: { name: `test images (${tested.map(({ name }) => name).join(', ')})`, points: tested } }
            : {}),
        },
      ),
      figure('loss', 'Loss', 'Mean cross-entropy of the images, of training images during the epoch.', {
        values: 'number',
        curves: [
          ...curve('validation images', (epoch) => epoch.validationLoss, colour('second')),
          ...curve('training images', (epoch) => epoch.trainLoss, colour('first'), true),
        ],
      }),
      ...(rates.length > 0
        ? [
            figure('learning-rate', 'Learning rate', 'Of the last step of each epoch, on a logarithmic axis.', {
              values: 'log',
              curves: rates,
            }),
          ]
        : []),
      ...(active.length > 0
        ? [
            figure(
              'spikes',
              'Spikes per neuron',
              'Mean over all hidden neurons and images; a neuron fires at most once.',
              { values: 'number', curves: active },
            ),
          ]
        : []),
    ],
    tables: [{ title: 'Every epoch', table: epochTable(epochs) }],
  };
}

/** The accuracies on the test images, each where its network stood. */
function testMarks(data: RunData): Mark[] {
  const { bands } = data.timeline;
  const tested = testAccuracies(data);
  const end = (last: (typeof bands)[number] | undefined): number | null =>
    last === undefined ? null : last.from + last.epochs;
  const endOf = (name: Phase): number | null => end(bands.find(({ phase }) => phase === name));
  const last = endOf('binary') ?? endOf('ann') ?? 0;
  const mark = (name: string, x: number | null, y: number | null | undefined): Mark[] =>
    x === null || y === null || y === undefined ? [] : [{ name, x, y }];
  return [
    ...mark('ANN', endOf('ann'), tested.ann),
    ...mark('binary ANN', endOf('binary'), tested.binary),
    ...mark('converted', last + 0.5, tested.converted),
    ...mark('SNN', endOf('snn'), tested.snn),
  ];
}

const columns = [
  'epoch',
  'training loss',
  'validation loss',
  'training accuracy',
  'validation accuracy',
  'learning rate',
  'spikes per neuron',
  'images per second',
  'seconds',
  '',
];

function epochTable(epochs: readonly Epoch[]): Table {
  const rows = thinned(epochs, MOST_ROWS);
  const left = epochs.length - rows.length;
  return {
    columns,
    rows: rows.map((epoch) => [
      `${phaseNames[epoch.phase]} ${epoch.epoch}`,
      plain(epoch.trainLoss),
      plain(epoch.validationLoss),
      share(epoch.trainAccuracy),
      share(epoch.validationAccuracy),
      plain(epoch.learningRate),
      epoch.layers.length > 0 ? plain(epoch.spikesPerNeuron) : '–',
      plain(epoch.imagesPerSecond),
      plain(epoch.seconds),
      epoch.best ? 'best so far' : '',
    ]),
    note:
      left > 0
        ? `${rows.length} of ${epochs.length.toLocaleString('en-US')} epochs, at equal distances; metrics.jsonl holds all.`
        : undefined,
  };
}

function plain(value: number | null): Cell {
  return value === null ? '–' : { text: number(value), value };
}

function share(value: number | null): Cell {
  return value === null ? '–' : { text: percent(value, 2), value };
}
