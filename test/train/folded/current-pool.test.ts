// A run whose convolutions average their currents: pools stay through all phases, are part of the kernels of the final
// model, and a resumed run is bit-identical.
import { join } from 'node:path';
import { Network } from '../../../lib';
import { resume, train } from '../../../lib/train/loop/train';
import type { TrainConfigInput } from '../../../lib/train/config/config';
import { temporaryFolder, tinyConfig } from '../../helpers/command-line';
import { collect, leaveIn, modelBytes, testAccuracy } from '../../helpers/runs';

const folder = temporaryFolder();
const layers = [
  { type: 'conv', out: 6, stride: 2, dropout: 0.1, pool: 2 },
  { type: 'conv', out: 8, norm: 'batch', pool: 2 },
  { type: 'linear', out: 10, output: true },
];
const tiny = (name: string, more: object = {}): TrainConfigInput =>
  ({
    ...structuredClone(tinyConfig),
    model: { ...tinyConfig.model, layers },
    binary: { epochs: 1, batch: 16 },
    ...more,
    out: join(folder, name),
  }) as unknown as TrainConfigInput;

const model = (name: string): string => modelBytes(join(folder, name));
const architecture = async (...path: string[]): Promise<number[][]> => {
  const network = await Network.open(join(folder, ...path), { backend: 'cpu' });
  await network.dispose();
  return network.description.layers.slice(0, 2).map(({ kernel, stride, pool }) => [kernel, stride, pool]);
};

const POOLED = [
  [3, 2, 2],
  [3, 1, 2],
];
const FOLDED = [
  [5, 4, 1],
  [4, 2, 1],
];

test('phases train with pools, and the model has larger kernels and the same accuracy', async () => {
  const done = (await collect(train(tiny('whole')))).at(-1)!;
  if (done.event !== 'done') throw new Error(`Expected done but received ${done.event}`);
  for (const name of ['ann-best', 'binary-best', 'converted', 'snn-best'])
    expect(await architecture('whole', 'checkpoints', `${name}.safetensors`)).toEqual(POOLED);
  expect(await architecture('whole', 'model.safetensors')).toEqual(FOLDED);
  expect(await testAccuracy(join(folder, 'whole'), 'snn')).toBe(done.snn.testAccuracy);
});

test.each(['ann', 'binary', 'snn'] as const)('interrupted in stage %s, it ends bit-identical', async (phase) => {
  await leaveIn(train(tiny(phase), { progressSeconds: 0 }), phase);
  const rest = await collect(resume(join(folder, phase)));
  expect(rest[0]).toMatchObject({ event: 'start', resumed: { stage: phase } });
  expect(model(phase)).toBe(model('whole'));
});

test('another run starts from its model with the larger kernels', async () => {
  const init = join(folder, 'whole');
  const spiking = { ann: { ...tinyConfig.ann, epochs: 0 }, binary: { epochs: 0 }, convert: { enabled: false } };
  const events = await collect(train(tiny('again', { init, ...spiking })));
  expect(events.at(-1)).toMatchObject({ event: 'done' });
  expect(await architecture('again', 'checkpoints', 'snn-best.safetensors')).toEqual(FOLDED);
});
