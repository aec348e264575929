/** The test images that the network knows worst and best, on their way through the layers. */
import type { Example, TestRecord } from '../../train/run/test-record';
import type { ResolvedNetwork } from '../../model/description';
import type { RunData } from '../data/run-data';
import { percent } from '../draw/scale';
import { drawJourney } from '../draw/spike-map';
import type { Figure, Section } from '../figure';
import { layerTitle } from './layers';

export function examplesSection({ test, missing, run }: RunData): Section {
  const section = { name: 'images', title: 'Worst and best images' };
  if (test === null)
    return { ...section, notes: [`Images and their maps of spike times are missing: ${missing}.`], figures: [] };
  const { network } = run.info;
  const figures = [
    ...test.worst.map((example, i) => exampleFigure(network, test, example, `worst-${i + 1}`)),
    ...test.best.map((example, i) => exampleFigure(network, test, example, `best-${i + 1}`)),
  ];
  return {
    ...section,
    notes: [
      'Those whose class has the lowest and the highest probability in the answer of the network, where possible of different classes.',
      ...(test.mode === 'snn'
        ? [
            'A map shows one cell per neuron; its colour is the step at which the neuron fires. Of a convolution the nine channels are shown whose spike times differ most; a linear layer is laid out in rows.',
          ]
        : ['The network is not spiking, so there are no maps of spike times.']),
    ],
    figures,
  };
}

function exampleFigure(network: ResolvedNetwork, test: TestRecord, example: Example, name: string): Figure {
  const { classes } = test;
  const { probabilities, label, row, answers, maps, pixels } = example;
  const order = Array.from(probabilities.keys()).sort((a, b) => probabilities[b]! - probabilities[a]! || a - b);
  const own = classes[label]!;
  const likelihood = `probability of ${own} ${percent(probabilities[label]!)}`;
  const verdict = order[0] === label ? own : `${own} taken for ${classes[order[0]!]}`;
  const shown = order.slice(0, 3);
  if (!shown.includes(label)) shown[2] = label;
  const stages = maps.map(({ layer, shape, times }) => ({ ...firing(times), layer, shape, times }));
  const decided = decisionStep(answers);
  return {
    name,
    title: `${name.startsWith('worst') ? 'Worst' : 'Best'} ${name.split('-')[1]}: ${verdict} (${likelihood})`,
    caption:
      `Test image ${row}.` +
      (answers.length === 0
        ? ''
        : ` Answer after each step: ${Array.from(answers, (answer) => classes[answer]).join(', ')}; decided at step ${decided} of ${answers.length}.`),
    drawing: drawJourney({
      pixels,
      input: test.input,
      label: own,
      timesteps: network.timesteps,
      stages: stages.map(({ layer, shape, times, share }) => ({
        name: layerTitle(network, layer),
        caption: `${percent(share, share < 0.1 ? 1 : 0)} fire`,
        shape,
        times,
        names: network.layers[layer]?.output ? classes : undefined,
      })),
      answers: shown.map((k) => ({ name: classes[k]!, probability: probabilities[k]!, right: k === label })),
    }),
    ...(stages.length === 0
      ? {}
      : {
          table: {
            columns: ['layer', 'neurons', 'fire', 'mean step of a spike'],
            rows: stages.map(({ layer, times, share, mean }) => [
              layerTitle(network, layer),
              { text: times.length.toLocaleString('en-US'), value: times.length },
              { text: percent(share, 2), value: share },
              mean === null ? '–' : { text: mean.toFixed(2), value: mean },
            ]),
          },
        }),
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
