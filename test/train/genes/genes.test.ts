// Runs of networks with genes: all phases, bit-identical resumption, the finished model, and its presets.
import { join } from 'node:path';
import { Network } from '../../../lib';
import { geneCompression } from '../../../lib/model/genes/genes';
import { resolveNetwork } from '../../../lib/model/description';
import { vgg } from '../../../lib/model/vgg';
import { resolveConfig, type TrainConfig, type TrainConfigInput } from '../../../lib/train/config/config';
import { resume, train } from '../../../lib/train/loop/train';
import { temporaryFolder, tinyConfig } from '../../helpers/command-line';
import { collect, leaveIn, modelBytes, testAccuracy } from '../../helpers/runs';

const folder = temporaryFolder();
const layers = [
  { type: 'conv', out: 6, stride: 2, norm: 'batch' },
  { type: 'conv', out: 8, norm: 'batch' },
  { type: 'avgpool' },
  { type: 'conv', out: 8, norm: 'batch' },
  { type: 'linear', out: 10, output: true },
];
const tiny = (name: string, more: object = {}): TrainConfigInput =>
  ({
    ...structuredClone(tinyConfig),
    model: { name: 'tiny', layers, normGroup: 8, genes: { count: 5 } },
    ...more,
    out: join(folder, name),
  }) as unknown as TrainConfigInput;

test('a run keeps genes and normalisation to the end, and its weights follow from the genes', async () => {
  const events = await collect(train(tiny('whole')));
  const done = events.at(-1)!;
  if (done.event !== 'done') throw new Error(`Expected done but received ${done.event}`);
  expect(await testAccuracy(join(folder, 'whole'), 'snn')).toBe(done.snn.testAccuracy);
  const model = await Network.open(join(folder, 'whole', 'model.safetensors'), { backend: 'cpu' });
  expect(model.description).toMatchObject({ genes: { count: 5 }, layers: [{ norm: 'batch' }, {}, {}, {}, {}] });
  await model.dispose();
});

test.each(['ann', 'snn'] as const)('interrupted in stage %s, it ends bit-identical', async (phase) => {
  await leaveIn(train(tiny(phase), { progressSeconds: 0 }), phase);
  await collect(resume(join(folder, phase)));
  expect(modelBytes(join(folder, phase))).toBe(modelBytes(join(folder, 'whole')));
});

test('binary activations become spikes that compute the same at one time step', async () => {
  const binary = { ...tinyConfig.ann, epochs: 1 };
  const model = { name: 'tiny', layers, normGroup: 8, genes: { count: 5 }, timesteps: 1 };
  const events = await collect(train(tiny('binary', { model, binary })));
  const converted = events.find(({ event }) => event === 'converted');
  if (converted?.event !== 'converted') throw new Error('Expected a conversion');
  expect(converted.accuracy).toBe(converted.binaryTestAccuracy);
});

test('another run begins with the model of one', async () => {
  const init = join(folder, 'whole', 'model.safetensors');
  const events = await collect(train(tiny('again', { init, ann: { ...tinyConfig.ann, epochs: 0 } })));
  expect(events.at(-1)).toMatchObject({ event: 'done' });
});

test.each(['vgg7-genes', 'vgg16-genes'] as const)(
  '%s saves at least half of the numbers of its convolutions',
  (name) => {
    for (const dataset of ['cifar10', 'shapes']) {
      const { model } = resolveConfig({ preset: name, dataset: { name: dataset } } as TrainConfigInput);
      const network = resolveNetwork(
        vgg(name === 'vgg7-genes' ? 'vgg7' : 'vgg16', { width: model.width!, genes: model.genes! }),
      );
      expect(geneCompression(network).saved).toBeGreaterThan(0.5);
    }
  },
);

test.each(['cpu', 'minutes', undefined] as const)(
  'genes of a plain preset learn at three tenths of its rates: %s',
  (size) => {
    const scaled = size === 'minutes' ? { minutes: 30 } : size === undefined ? {} : { budget: size };
    const preset = { preset: 'vgg7', dataset: { name: 'cifar10' }, ...scaled } as TrainConfigInput & object;
    const ratesOf = ({ ann, binary }: TrainConfig): number[] =>
      [ann, binary].map((phase) => phase.optimizer.learningRate);
    const [dense, genetic] = [{}, { model: { genes: { count: 150 } } }].map((more) =>
      ratesOf(resolveConfig({ ...preset, ...more } as TrainConfigInput)),
    );
    expect(genetic).toEqual(dense!.map((rate) => expect.closeTo(0.3 * rate, 6) as number));
    const asked = resolveConfig(preset, ['model.genes.count=150', 'ann.optimizer.learningRate=0.07']);
    expect(ratesOf(asked)).toEqual([0.07, genetic![1]]);
  },
);
