// One image on its way through a network, as a drawing and in numbers.
import type { ResolvedNetwork } from '../model/description';
import type { Trace } from '../train/run/test-record';
import { percent } from './draw/scale';
import { drawJourney } from './draw/spike-map';
import type { Drawing } from './draw/svg';
import type { Table } from './figure';
import { layerTitle } from './sections/neurons';

/** A layer that the image has passed. */
export interface PassedLayer {
  layer: number;
  name: string;
  shape: readonly number[];
  times: Uint8Array;
  /** Share of the neurons that fired. */
  share: number;
  /** Mean step of the spikes; null without any. */
  mean: number | null;
}

export interface Journey {
  /** The class that the network answers. */
  answer: number;
  layers: PassedLayer[];
  /** The first step from which the answer stays what it is at the end; null without spikes. */
  decisionStep: number | null;
  /** The answers after each step in a sentence, or ''. */
  steps: string;
  drawing: Drawing;
  /** The layers in numbers; undefined without spikes. */
  table: Table | undefined;
}

/** `label` is the class of the image, where it is known. */
export function journeyOf(
  network: ResolvedNetwork,
  classes: readonly string[],
  { pixels, probabilities, answers, maps }: Trace,
  label: number | null,
): Journey {
  const order = Array.from(probabilities.keys()).sort((a, b) => probabilities[b]! - probabilities[a]! || a - b);
  const answer = order[0]!;
  const own = label ?? answer;
  const shown = order.slice(0, 3);
  if (!shown.includes(own)) shown[2] = own;
  const layers = maps.map((map) => ({ ...map, ...firing(map.times), name: layerTitle(network, map.layer) }));
  const decided = answers.length === 0 ? null : decisionStep(answers);
  return {
    answer,
    layers,
    decisionStep: decided,
    steps:
      decided === null
        ? ''
        : `Answer after each step: ${Array.from(answers, (each) => classes[each]).join(', ')}; decided at step ${decided} of ${answers.length}.`,
    drawing: drawJourney({
      pixels,
      input: network.input,
      label: label === null ? '' : classes[label]!,
      timesteps: network.timesteps,
      stages: layers.map(({ layer, name, shape, times, share }) => ({
        name,
        caption: `${percent(share, share < 0.1 ? 1 : 0)} fire`,
        shape,
        times,
        names: network.layers[layer]?.output ? classes : undefined,
      })),
      answers: shown.map((k) => ({ name: classes[k]!, probability: probabilities[k]!, right: k === own })),
    }),
    table: layers.length === 0 ? undefined : tableOf(layers),
  };
}

function tableOf(layers: readonly PassedLayer[]): Table {
  return {
    columns: ['layer', 'neurons', 'fire', 'mean step of a spike'],
    rows: layers.map(({ name, times, share, mean }) => [
      name,
      { text: times.length.toLocaleString('en-US'), value: times.length },
      { text: percent(share, 2), value: share },
      mean === null ? '–' : { text: mean.toFixed(2), value: mean },
    ]),
  };
}

function firing(times: Uint8Array): { share: number; mean: number | null } {
  let [fired, sum] = [0, 0];
  for (const time of times) {
    if (time === 0) continue;
    fired++;
    sum += time;
  }
  return { share: fired / (times.length || 1), mean: fired === 0 ? null : sum / fired };
}

/** The first step from which the answer stays what it is at the end. */
function decisionStep(answers: Int32Array): number {
  let step = answers.length;
  while (step > 1 && answers[step - 2] === answers.at(-1)) step--;
  return step;
}
