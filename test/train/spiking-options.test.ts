// Options of the spiking stage: a run with them resumes in the same bits, and wrong ones are refused by name.
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Network } from '../../lib';
import { resume, train } from '../../lib/train/loop/train';
import { resolveConfig, type TrainConfigInput } from '../../lib/train/config/config';
import { readCheckpoint } from '../../lib/train/run/checkpoint';
import { temporaryFolder, tinyConfig } from '../helpers/command-line';
import { collect, leaveIn, modelBytes, normalisedLayers } from '../helpers/runs';

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

test('a run with all options, interrupted in the spiking phase, ends in the same bits', async () => {
  await collect(train(tiny('plain')));
  await collect(train(tiny('whole', { snn: all })));
  expect(modelBytes(path('whole'))).not.toBe(modelBytes(path('plain')));
  await leaveIn(train(tiny('parts', { snn: all }), { progressSeconds: 0 }), 'snn');
  const { state } = await readCheckpoint(join(path('parts'), 'checkpoints', 'last.safetensors'));
  expect(state.counters.activity).toBeGreaterThan(all.activity.target);
  await collect(resume(path('parts')));
  expect(modelBytes(path('parts'))).toBe(modelBytes(path('whole')));
});

test.each(['distillation', 'activity', 'timeWeights'] as const)('%s alone changes the result', async (option) => {
  await collect(train(tiny(option, { snn: { [option]: all[option] } })));
  expect(modelBytes(path(option))).not.toBe(modelBytes(path('plain')));
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
  expect(modelBytes(path('parts-taught'))).toBe(modelBytes(path('whole-taught')));
  // A run that begins is refused before its folder exists.
  await expect(collect(train(tiny('none', taught)))).rejects.toMatchObject({ code: 'ERR_IO' });
  expect(existsSync(path('none'))).toBe(false);
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
    message: expect.stringContaining(
      'Expected a network for images of 3 x 32 x 32 and 10 classes for snn.distillation.teacher but received',
    ),
  });
  expect(existsSync(path('taught'))).toBe(false);
  const events = await collect(train(taughtBy(await save('fits.safetensors', 32))));
  expect(events.at(-1)?.event).toBe('done');
});

test.each([
  [{ distillation: { weight: 2 } }, 'Expected a number in [0, 1] for snn.distillation.weight but received 2'],
  [{ distillation: { weight: 0.5, temperature: 0 } }, 'a number from 0.01 to 1000 for snn.distillation.temperature'],
  [{ distillation: { weight: 0.5, teacher: '' } }, 'Expected a non-empty string for snn.distillation.teacher'],
  [{ distillation: { wait: 0.5 } }, "did you mean 'weight'?"],
  [{ activity: { target: 1.5 } }, 'Expected a number in [0, 1] for snn.activity.target but received 1.5'],
  [{ activity: { strength: -1 } }, 'Expected a number from 0 to 1000000 for snn.activity.strength but received -1'],
  [{ activity: true }, 'for snn.activity but received true'],
  [{ timeWeights: [0.5, 0.5] }, 'Expected a list of 4 numbers (one per time step) for snn.timeWeights'],
  [{ timeWeights: [0, 0, 0, 0.5] }, 'Expected weights with the sum 1 for snn.timeWeights but received'],
  [{ timeWeights: [0, 0, -1, 2] }, 'Expected a number in [0, 1] for snn.timeWeights[2] but received -1'],
])('snn %j is refused', (snn, message) => {
  expect(() => resolveConfig(tiny('refused', { snn }))).toThrow(
    expect.objectContaining({ code: 'ERR_ARG', message: expect.stringContaining(message) }),
  );
});

test('a run without an ANN wants the name of a teacher', () => {
  const without = { ann: { ...tinyConfig.ann, epochs: 0 }, snn: { distillation: { weight: 0.5 } } };
  expect(() => resolveConfig(tiny('refused', without))).toThrow(
    /Expected a model file or a run \(this run trains no ANN\) for snn.distillation.teacher but received undefined/,
  );
  expect(resolveConfig(tiny('fine', { ...without, snn: { distillation: { weight: 0 } } }))).toBeDefined();
});
