// Options of the spiking stage: a run with them resumes bit-identically, and wrong ones are refused by name.
import { createHash } from 'node:crypto';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Network } from '../../lib';
import { placeImages } from '../../lib/train/rows/images';
import { loadConfigured, networkOf } from '../../lib/train/loop/model';
import { measureRates } from '../../lib/train/minutes/measure';
import { resume, train } from '../../lib/train/loop/train';
import { resolveConfig, type TrainConfigInput } from '../../lib/train/config/config';
import { readCheckpoint } from '../../lib/train/run/checkpoint';
import type { TrainEvent } from '../../lib/train/run/events';
import { loadRun } from '../../lib/train/run/load-run';
import { temporaryFolder, tinyConfig } from '../helpers/command-line';
import { collect, leaveIn, normalisedLayers } from '../helpers/runs';

const folder = temporaryFolder();
const path = (name: string): string => join(folder, name);
const tiny = (name: string, more: Record<string, object> = {}): TrainConfigInput =>
  ({
    ...structuredClone(tinyConfig),
    model: { ...tinyConfig.model, layers: normalisedLayers },
    ...more,
    snn: { ...structuredClone(tinyConfig.snn), ...more.snn },
    out: path(name),
  }) as unknown as TrainConfigInput;

const all = {
  distillation: { weight: 0.4, temperature: 3 },
  activity: { target: 0.01, strength: 100 },
  timeWeights: [0.1, 0.2, 0.3, 0.4],
};

/** A digest of the network and its optimiser after the last epoch, whether or not that was the best one. */
async function trained(run: string): Promise<string> {
  const { tensors, slots, state } = await readCheckpoint(join(run, 'checkpoints', 'last.safetensors'));
  const digest = createHash('sha256').update(JSON.stringify(state.counters));
  for (const [name, { data }] of [...tensors, ...slots])
    digest.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return digest.digest('hex');
}

test('a run with all options, interrupted in the spiking phase, ends bit-identical', async () => {
  await collect(train(tiny('plain')));
  await collect(train(tiny('whole', { snn: all })));
  expect(await trained(path('whole'))).not.toBe(await trained(path('plain')));
  await leaveIn(train(tiny('parts', { snn: all }), { progressSeconds: 0 }), 'snn');
  const { state } = await readCheckpoint(join(path('parts'), 'checkpoints', 'last.safetensors'));
  expect(state.counters.activity).toBeGreaterThan(all.activity.target);
  await collect(resume(path('parts')));
  expect(await trained(path('parts'))).toBe(await trained(path('whole')));
});

test('incremental time steps: the network grows, is resumed bit-identically, and ends with all its steps', async () => {
  const growing = {
    model: { ...tinyConfig.model, layers: normalisedLayers, schedules: true },
    snn: {
      epochs: 4,
      incremental: [
        { timesteps: 1, epochs: 1 },
        { timesteps: 3, epochs: 2 },
      ],
    },
  };
  const at: (number | undefined)[] = [];
  const watch = async ({ event }: TrainEvent, run: string): Promise<void> => {
    if (event !== 'epoch' && event !== 'converted') return;
    const { network } = await readCheckpoint(join(path(run), 'checkpoints', 'last.safetensors'));
    at.push(network.timesteps);
  };
  await collect(train(tiny('grows', growing)), (event) => watch(event, 'grows'));
  // Two epochs of the ANN, the conversion, and the epochs of the spiking phase.
  expect(at).toEqual([4, 4, 1, 1, 3, 3, 4]);
  const run = await loadRun(path('grows'));
  const network = await run.network();
  expect(network.description.timesteps).toBe(4);
  expect((await network.parameters()).get('layers.0.kappa')!.data).toHaveLength(4);
  await network.dispose();
  for (const [name, epoch] of [
    ['grows-1', 1],
    ['grows-2', 2],
  ] as const) {
    for await (const event of train(tiny(name, growing), { progressSeconds: 0 }))
      if (event.event === 'progress' && event.phase === 'snn' && event.epoch === epoch + 1 && event.step === 3) break;
    await collect(resume(path(name)));
    expect(await trained(path(name))).toBe(await trained(path('grows')));
  }
  // Broken off between two epochs, before the network grows.
  for await (const event of train(tiny('grows-3', growing)))
    if (event.event === 'epoch' && event.phase === 'snn' && event.epoch === 3) break;
  await collect(resume(path('grows-3')));
  expect(await trained(path('grows-3'))).toBe(await trained(path('grows')));
});

test.each(['distillation', 'activity', 'timeWeights'] as const)('%s alone changes the result', async (option) => {
  await collect(train(tiny(option, { snn: { [option]: all[option] } })));
  expect(await trained(path(option))).not.toBe(await trained(path('plain')));
});

test('relaxed layers: another result, which a run that was interrupted reaches bit-identically', async () => {
  const relaxed = { snn: { relaxation: 3 } };
  await collect(train(tiny('relaxed', relaxed)));
  expect(await trained(path('relaxed'))).not.toBe(await trained(path('plain')));
  await leaveIn(train(tiny('relaxed-parts', relaxed), { progressSeconds: 0 }), 'snn');
  await collect(resume(path('relaxed-parts')));
  expect(await trained(path('relaxed-parts'))).toBe(await trained(path('relaxed')));
});

test('the teacher may be another run, which is needed at the start alone', async () => {
  renameSync(path('plain'), path('teacher'));
  const taught = {
    ann: { ...tinyConfig.ann, epochs: 0 },
    convert: { ...tinyConfig.convert, enabled: false },
    snn: { distillation: { weight: 1, temperature: 2, teacher: path('teacher') } },
  };
  await collect(train(tiny('whole-taught', taught)));
  await leaveIn(train(tiny('parts-taught', taught), { progressSeconds: 0 }), 'snn');
  rmSync(path('teacher'), { recursive: true });
  await collect(resume(path('parts-taught')));
  expect(await trained(path('parts-taught'))).toBe(await trained(path('whole-taught')));
  // A run that begins is refused before its folder exists.
  await expect(collect(train(tiny('none', taught)))).rejects.toMatchObject({ code: 'ERR_IO' });
  expect(existsSync(path('none'))).toBe(false);
});

test('the ANN may have a teacher by name, and is resumed bit-identically with it', async () => {
  const alone = { convert: { ...tinyConfig.convert, enabled: false }, snn: { ...tinyConfig.snn, epochs: 0 } };
  const ann = { ...tinyConfig.ann, distillation: { weight: 0.8, teacher: path('whole') } };
  const taught = (name: string): TrainConfigInput => tiny(name, { ...alone, ann });
  await collect(train(taught('ann-taught')));
  await collect(train(tiny('ann-alone', alone)));
  expect(await trained(path('ann-taught'))).not.toBe(await trained(path('ann-alone')));
  await leaveIn(train(taught('ann-parts'), { progressSeconds: 0 }), 'ann');
  await collect(resume(path('ann-parts')));
  expect(await trained(path('ann-parts'))).toBe(await trained(path('ann-taught')));
});

test('any network for the same images and classes may teach, and no other', async () => {
  const save = async (name: string, side: number): Promise<string> => {
    const layers = [{ type: 'linear', out: 10, output: true }] as const;
    await using network = await Network.create({ input: [3, side, side], timesteps: 2, layers: [...layers] });
    await network.save(path(name));
    return path(name);
  };
  const taughtBy = (teacher: string): TrainConfigInput =>
    tiny('taught', { snn: { distillation: { weight: 0.5, teacher } } });
  await expect(collect(train(taughtBy(await save('small.safetensors', 16))))).rejects.toMatchObject({
    code: 'ERR_SHAPE',
    message:
      'Expected a network for images of 3 x 32 x 32 and 10 classes for snn.distillation.teacher but received ' +
      'one for images of 3 x 16 x 16 and 10 classes',
  });
  await expect(collect(train(taughtBy(path('absent.safetensors'))))).rejects.toMatchObject({
    code: 'ERR_IO',
    message: expect.stringMatching(/^Expected a network for snn\.distillation\.teacher: .*absent\.safetensors/),
  });
  expect(existsSync(path('taught'))).toBe(false);
  const events = await collect(train(taughtBy(await save('fits.safetensors', 32))));
  expect(events.at(-1)?.event).toBe('done');
});

test.each([
  [{ distillation: { weight: 2 } }, 'Expected a number in [0, 1] for snn.distillation.weight but received 2'],
  [{ distillation: { weight: 0.5, temperature: 0 } }, 'a number from 0.01 to 1000 for snn.distillation.temperature'],
  [{ distillation: { weight: 0.5, teacher: '' } }, 'Expected a non-empty string for snn.distillation.teacher'],
  [{ distillation: { wieght: 0.5 } }, "did you mean 'weight'?"],
  [{ activity: { target: 1.5 } }, 'Expected a number in [0, 1] for snn.activity.target but received 1.5'],
  [{ activity: { strength: -1 } }, 'Expected a number from 0 to 1000000 for snn.activity.strength but received -1'],
  [{ activity: true }, 'for snn.activity but received true'],
  [{ timeWeights: [0.5, 0.5] }, 'Expected a list of 4 numbers (one per time step) for snn.timeWeights'],
  [{ timeWeights: [0, 0, 0, 0.5] }, 'Expected weights with the sum 1 for snn.timeWeights but received'],
  [
    { incremental: [{ timesteps: 4, epochs: 1 }] },
    'above 0 and below 4 (model.timesteps) for snn.incremental[0].timesteps',
  ],
  [
    {
      incremental: [
        { timesteps: 2, epochs: 1 },
        { timesteps: 2, epochs: 1 },
      ],
    },
    'above 2 and below 4',
  ],
  [{ incremental: [{ timesteps: 2, epochs: 2 }] }, 'fewer than 2 epochs in all (snn.epochs) for snn.incremental but'],
  [{ incremental: [{ timesteps: 1, epochs: 0 }] }, 'for snn.incremental[0].epochs but received 0'],
  [{ relaxation: -1 }, 'Expected an integer of at least 0 for snn.relaxation but received -1'],
  [{ relaxation: 0.5 }, 'Expected an integer of at least 0 for snn.relaxation but received 0.5'],
  [{ incremental: 3 }, 'Expected a list of { timesteps, epochs } for snn.incremental but received 3'],
  [{ incremental: [{ timesteps: 1, epochs: 1 }], patience: 2 }, 'Expected 0 with snn.incremental for snn.patience'],
  [
    { incremental: [{ timesteps: 1, epochs: 1 }], timeWeights: [0, 0, 0, 1] },
    'no weights with snn.incremental for snn.t',
  ],
  [{ timeWeights: [0, 0, -1, 2] }, 'Expected a number in [0, 1] for snn.timeWeights[2] but received -1'],
])('snn %j is refused', (snn, message) => {
  expect(() => resolveConfig(tiny('refused', { snn }))).toThrow(
    expect.objectContaining({ code: 'ERR_ARG', message: expect.stringContaining(message) }),
  );
});

test('the relaxation of a network with a code is another option', () => {
  const model = { ...tinyConfig.model, layers: normalisedLayers, code: { kind: 'radix', bits: 4 } };
  const message = 'Expected 0 (that of a network with a code is snn.code.relaxation) for snn.relaxation but received 2';
  expect(() => resolveConfig(tiny('refused', { model, snn: { relaxation: 2 } }))).toThrow(
    expect.objectContaining({ code: 'ERR_ARG', message }),
  );
});

test('minutes: the rate of spiking steps is measured with their teacher', async () => {
  const steps = jest.spyOn(Network.prototype, 'trainSteps');
  const config = resolveConfig(tiny('minutes', { snn: { distillation: { weight: 0.5 } } }));
  const loaded = await loadConfigured(config, path('minutes'));
  const images = placeImages(loaded, config);
  await measureRates({ config, description: networkOf(config.model, loaded), images, seconds: 0 });
  images.dispose();
  const teachers = steps.mock.calls.map(([, options]) => [options?.mode, options?.distillation?.weight]);
  expect(teachers).toEqual(
    expect.arrayContaining([
      ['ann', undefined],
      ['binary', undefined],
      ['snn', 0.5],
    ]),
  );
  steps.mockRestore();
  // The epochs are chosen by the time: those of fewer time steps are none of it.
  const growing: TrainConfigInput = { minutes: 10, snn: { incremental: [{ timesteps: 1, epochs: 1 }] } };
  expect(() => resolveConfig(growing)).toThrow(/for snn.incremental/);
});

test('an ANN with distillation, and a run without an ANN, want the name of a teacher', () => {
  const nameless = { ann: { ...tinyConfig.ann, distillation: { weight: 0.5 } } };
  expect(() => resolveConfig(tiny('refused', nameless))).toThrow(
    /Expected a model file or a run \(no ANN comes before this one\) for ann.distillation.teacher but received undef/,
  );
  const without = { ann: { ...tinyConfig.ann, epochs: 0 }, snn: { distillation: { weight: 0.5 } } };
  expect(() => resolveConfig(tiny('refused', without))).toThrow(
    /Expected a model file or a run \(this run trains no ANN\) for snn.distillation.teacher but received undefined/,
  );
  expect(resolveConfig(tiny('fine', { ...without, snn: { distillation: { weight: 0 } } }))).toBeDefined();
});
