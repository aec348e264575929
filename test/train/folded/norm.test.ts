// A run whose ANN is normalised: it spikes without normalisation, and what is resumed from any stage is bit-identical.
import { join } from 'node:path';
import { Network } from '../../../lib';
import { resume, train } from '../../../lib/train/loop/train';
import type { TrainConfigInput } from '../../../lib/train/config/config';
import { temporaryFolder, tinyConfig } from '../../helpers/command-line';
import { collect, leaveIn, modelBytes, normalisedLayers, testAccuracy } from '../../helpers/runs';

const folder = temporaryFolder();
const tiny = (name: string, more: object = {}): TrainConfigInput =>
  ({
    ...structuredClone(tinyConfig),
    model: { ...tinyConfig.model, layers: normalisedLayers, normGroup: 6 },
    ...more,
    out: join(folder, name),
  }) as unknown as TrainConfigInput;

const model = (name: string): string => modelBytes(join(folder, name));
const architecture = async (...path: string[]): Promise<string[]> => {
  const network = await Network.open(join(folder, ...path), { backend: 'cpu' });
  await network.dispose();
  return network.description.layers.map(({ norm }) => norm);
};

const NORMALISED = ['batch', 'none', 'batch', 'none', 'none'];
const PLAIN = ['none', 'none', 'none', 'none', 'none'];

test('the ANN is normalised; the converted network, the spiking one and the model are not', async () => {
  const events = await collect(train(tiny('whole')));
  expect(events.map(({ event }) => event)).toEqual(expect.arrayContaining(['converted', 'done']));
  expect(await architecture('whole', 'checkpoints', 'ann-best.safetensors')).toEqual(NORMALISED);
  expect(await architecture('whole', 'checkpoints', 'converted.safetensors')).toEqual(PLAIN);
  expect(await architecture('whole', 'model.safetensors')).toEqual(PLAIN);
  const done = events.at(-1)!;
  if (done.event !== 'done') throw new Error(`Expected done but received ${done.event}`);
  expect(await testAccuracy(join(folder, 'whole'), 'snn')).toBe(done.snn.testAccuracy);
});

test.each(['ann', 'snn'] as const)('interrupted in stage %s, it ends bit-identical', async (phase) => {
  await leaveIn(train(tiny(phase), { progressSeconds: 0 }), phase);
  const rest = await collect(resume(join(folder, phase)));
  expect(rest[0]).toMatchObject({ event: 'start', resumed: { stage: phase } });
  expect(model(phase)).toBe(model('whole'));
});

test('a finished run takes more spiking epochs', async () => {
  await collect(train(tiny('longer')));
  const events = await collect(resume(join(folder, 'longer'), { changes: { snn: { epochs: 3 } } }));
  expect(events.at(-1)).toMatchObject({ event: 'done' });
});

test('another run starts from its model, without normalisation', async () => {
  const init = join(folder, 'whole');
  const events = await collect(
    train(tiny('again', { init, ann: { ...tinyConfig.ann, epochs: 0 }, convert: { enabled: false } })),
  );
  expect(events.at(-1)).toMatchObject({ event: 'done' });
  expect(await architecture('again', 'checkpoints', 'snn-best.safetensors')).toEqual(PLAIN);
});

test('an ANN alone leaves a model without normalisation that answers as the ANN did', async () => {
  const alone = { convert: { enabled: false }, snn: { epochs: 0 } };
  const done = (await collect(train(tiny('alone', alone)))).at(-1)!;
  if (done.event !== 'done') throw new Error(`Expected done but received ${done.event}`);
  expect(await architecture('alone', 'model.safetensors')).toEqual(PLAIN);
  expect(await testAccuracy(join(folder, 'alone'), 'ann')).toBe(done.ann.testAccuracy);
});

test('spiking training without a conversion keeps the normalisation until the end', async () => {
  await collect(train(tiny('scratch', { ann: { ...tinyConfig.ann, epochs: 0 }, convert: { enabled: false } })));
  expect(await architecture('scratch', 'checkpoints', 'snn-best.safetensors')).toEqual(NORMALISED);
  expect(await architecture('scratch', 'model.safetensors')).toEqual(PLAIN);
});
