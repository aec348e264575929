// What each layer does: activity over the epochs, thresholds and leaks, and when its neurons fire.
import type { ResolvedNetwork } from '../../model/description';
import type { LayerTimes } from '../../train/run/test-record';
import type { RunData } from '../data/run-data';
import { pointsOf, type Timeline } from '../data/series';
import { drawBars } from '../draw/bars';
import { drawLines } from '../draw/lines';
import { percent } from '../draw/scale';
import { hex, layerColour, silentColour, stepColour } from '../draw/theme';
import type { Cell, Figure, Section } from '../figure';
import { layerTitle, neuronFigures } from './neurons';

export function layersSection(data: RunData): Section {
  const { network } = data.run.info;
  const { test, missing, timeline } = data;
  const notes =
    test === null
      ? [`Spike times, thresholds and leaks at the end are missing: ${missing}.`]
      : test.times.length === 0
        ? ['No spike times were counted: the network is not spiking, or energy.images is 0.']
        : [];
  return {
    name: 'layers',
    title: 'Layers',
    notes,
    figures: [
      ...activityFigure(network, timeline),
      ...(test !== null && test.times.length > 0 ? [timesFigure(network, test.times)] : []),
      ...neuronFigures(network, timeline, test?.neurons ?? []),
    ],
  };
}

function activityFigure(network: ResolvedNetwork, { bands, epochs }: Timeline): Figure[] {
  const spiking = epochs.filter(({ phase }) => phase === 'snn');
  const layers = spiking[0]?.layers ?? [];
  const band = bands.find(({ phase }) => phase === 'snn');
  if (layers.length === 0 || band === undefined) return [];
  const curves = layers.map(({ layer }, i) => ({
    name: layerTitle(network, Number(layer.slice('layers.'.length))),
    colour: layerColour(i, layers.length),
    points: pointsOf(spiking, (epoch) => epoch.layers[i]?.spikesPerNeuron).map(({ x, y }) => ({ x: x - band.from, y })),
  }));
  const last = spiking.at(-1)!;
  return [
    {
      name: 'activity',
      title: 'Activity of the layers',
      caption: 'Share of the neurons of every hidden layer that fire, on the validation images if there are any.',
      drawing: drawLines({ bands: [{ ...band, from: 0 }], curves, values: 'share', width: 720 }),
      table: {
        columns: ['layer', 'neurons', 'after the first epoch', 'after the last epoch'],
        rows: layers.map(({ layer, neurons, spikesPerNeuron }, i) => [
          layerTitle(network, Number(layer.slice('layers.'.length))),
          { text: neurons.toLocaleString('en-US'), value: neurons },
          { text: percent(spikesPerNeuron, 2), value: spikesPerNeuron },
          { text: percent(last.layers[i]!.spikesPerNeuron, 2), value: last.layers[i]!.spikesPerNeuron },
        ]),
      },
    },
  ];
}

function timesFigure(network: ResolvedNetwork, times: readonly LayerTimes[]): Figure {
  const { timesteps } = network;
  const steps = Array.from({ length: timesteps }, (_, i) => i + 1);
  const shareOf = ({ neurons, images, counts }: LayerTimes, step: number): number =>
    counts[step]! / (neurons * images || 1);
  const colours = [...steps.map((step) => hex(stepColour(step, timesteps)))];
  const never = hex(silentColour);
  return {
    name: 'spike-times',
    title: 'When neurons fire',
    caption: `Share of the neurons of every layer by the step of their spike, over ${(times[0]?.images ?? 0).toLocaleString('en-US')} test images. Bright is early; the dark rest never fires.`,
    drawing: drawBars({
      stacked: true,
      most: 1,
      legend: [
        ...(timesteps <= 8 ? steps : [1, Math.ceil(timesteps / 2), timesteps]).map((step) => ({
          name: step === 1 ? 'step 1' : String(step),
          colour: colours[step - 1]!,
        })),
        { name: 'never', colour: never },
      ],
      rows: times.map((layer) => {
        const name = layerTitle(network, layer.layer);
        const bars = [...steps, 0].map((step) => ({
          value: shareOf(layer, step),
          label: '',
          colour: step === 0 ? never : colours[step - 1]!,
          title: `${name}: ${percent(shareOf(layer, step), 2)} ${step === 0 ? 'never fire' : `fire at step ${step}`}`,
        }));
        return { name, bars, label: `${percent(1 - shareOf(layer, 0))} fire` };
      }),
    }),
    table: {
      columns: ['layer', 'neurons', ...steps.map((step) => `step ${step}`), 'never'],
      rows: times.map((layer) => [
        layerTitle(network, layer.layer),
        { text: layer.neurons.toLocaleString('en-US'), value: layer.neurons },
        ...[...steps, 0].map((step): Cell => ({ text: percent(shareOf(layer, step), 2), value: shareOf(layer, step) })),
      ]),
    },
  };
}
