// What layers are called, and how their thresholds and leaks were trained.
import type { ResolvedNetwork } from '../../model/description';
import type { NeuronParameters } from '../../train/run/test-record';
import { reduced, type Epoch, type Timeline } from '../data/series';
import { drawBars } from '../draw/bars';
import { drawLines } from '../draw/lines';
import { number } from '../draw/scale';
import { colour, layerColour } from '../draw/theme';
import type { Cell, Figure } from '../figure';

/** `2 conv`: the place in the layer list, and the kind. */
export function layerTitle({ layers }: ResolvedNetwork, layer: number): string {
  const found = layers[layer];
  return found === undefined ? String(layer) : `${layer} ${found.output ? 'output' : found.type}`;
}

/** One trained number per layer: after the conversion, epoch by epoch as far as that was recorded, and at the end. */
interface Course {
  name: string;
  start: number | undefined;
  epochs: readonly { x: number; y: number }[];
  end: number | undefined;
}

export function neuronFigures(
  network: ResolvedNetwork,
  { bands, epochs, converted }: Timeline,
  neurons: readonly NeuronParameters[],
): Figure[] {
  const band = bands.find(({ phase }) => phase === 'snn');
  const spiking = epochs.filter(({ phase }) => phase === 'snn');
  const courses = (
    kind: 'threshold' | 'leak',
    recorded: (epoch: Epoch) => Record<string, number> | undefined,
  ): Course[] => {
    const before = kind === 'threshold' ? (converted?.thresholds ?? {}) : {};
    return layersOf(neurons, before).map((layer) => {
      const tensor = `layers.${layer}.${kind}`;
      return {
        name: layerTitle(network, layer),
        start: before[tensor],
        epochs: spiking.flatMap((epoch) => {
          const y = recorded(epoch)?.[tensor];
          return y === undefined ? [] : [{ x: epoch.x - band!.from, y }];
        }),
        end: neurons.find((each) => each.layer === layer)?.[kind],
      };
    });
  };
  const length = band?.epochs ?? 0;
  return [
    ...figureOf(
      'thresholds',
      'Thresholds',
      'The membrane potential above which a neuron fires, one for all neurons of a layer.',
      courses('threshold', ({ thresholds }) => thresholds),
      length,
      true,
    ),
    ...figureOf(
      'leaks',
      'Leaks',
      'The factor by which a membrane potential is multiplied at each step: 1 forgets nothing.',
      courses('leak', ({ leaks }) => leaks),
      length,
      false,
    ),
  ];
}

function figureOf(
  name: string,
  title: string,
  caption: string,
  courses: readonly Course[],
  epochs: number,
  fromZero: boolean,
): Figure[] {
  const drawn = courses.filter(
    ({ start, end, epochs: points }) => start !== undefined || end !== undefined || points.length > 0,
  );
  if (drawn.length === 0) return [];
  const curves = drawn.map(({ name: layer, epochs: points }, i) => ({
    name: layer,
    colour: layerColour(i, drawn.length),
    points: reduced(points),
  }));
  const overTime = curves.some(({ points }) => points.length > 0);
  return [
    {
      name,
      title,
      caption,
      drawing: overTime
        ? drawLines({ bands: [{ name: 'SNN', from: 0, epochs }], curves, values: 'number', fromZero, width: 720 })
        : drawCourses(drawn),
      table: {
        columns: [
          'layer',
          'after the conversion',
          'after the first epoch',
          'after the last epoch',
          'of the network that was tested',
        ],
        rows: drawn.map((course) => [
          course.name,
          cell(course.start),
          cell(course.epochs[0]?.y),
          cell(course.epochs.at(-1)?.y),
          cell(course.end),
        ]),
      },
    },
  ];
}

/** Without epochs: what there was after the conversion, and what there is at the end. */
function drawCourses(courses: readonly Course[]): Figure['drawing'] {
  const [before, after] = ['after the conversion', 'at the end'];
  const bar = (value: number | undefined, when: string, fill: string, layer: string) =>
    value === undefined
      ? []
      : [{ value, label: number(value), colour: fill, title: `${layer}, ${when}: ${number(value)}` }];
  return drawBars({
    legend: [
      ...(courses.some(({ start }) => start !== undefined) ? [{ name: before, colour: colour('third') }] : []),
      ...(courses.some(({ end }) => end !== undefined) ? [{ name: after, colour: colour('first') }] : []),
    ],
    rows: courses.map(({ name, start, end }) => ({
      name,
      bars: [...bar(start, before, colour('third'), name), ...bar(end, after, colour('first'), name)],
    })),
  });
}

function layersOf(neurons: readonly NeuronParameters[], thresholds: Record<string, number>): number[] {
  if (neurons.length > 0) return neurons.map(({ layer }) => layer);
  return Object.keys(thresholds).flatMap((name) => {
    const layer = /^layers\.(\d+)\.threshold$/.exec(name)?.[1];
    return layer === undefined ? [] : [Number(layer)];
  });
}

function cell(value: number | undefined): Cell {
  return value === undefined ? '–' : { text: number(value), value };
}
