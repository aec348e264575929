// The test images that the network knows worst and best, on their way through the layers.
import type { Example, TestRecord } from '../../train/run/test-record';
import type { ResolvedNetwork } from '../../model/description';
import type { RunData } from '../data/run-data';
import { percent } from '../draw/scale';
import type { Figure, Section } from '../figure';
import { journeyOf } from '../journey';

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
  const { label, row, probabilities } = example;
  const own = test.classes[label]!;
  const { answer, steps, drawing, table } = journeyOf(network, test.classes, example, label);
  const verdict = answer === label ? own : `${own} taken for ${test.classes[answer]}`;
  return {
    name,
    title: `${name.startsWith('worst') ? 'Worst' : 'Best'} ${name.split('-')[1]}: ${verdict} (probability of ${own} ${percent(probabilities[label]!)})`,
    caption: `Test image ${row}.${steps === '' ? '' : ` ${steps}`}`,
    drawing,
    ...(table === undefined ? {} : { table }),
  };
}
