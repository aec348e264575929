// Runs with the options that are off unless a recipe asks for them.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readModel } from '../../lib/model/model-file';
import { mergeConfig } from '../../lib/train/config/merge';
import type { TrainConfigInput } from '../../lib/train/config/config';
import type { EpochEvent, TrainEvent } from '../../lib/train/run/events';
import { loadRun } from '../../lib/train/run/load-run';
import { resume, train } from '../../lib/train/loop/train';
import { temporaryFolder, tinyConfig } from '../helpers/command-line';
import { collect, modelBytes } from '../helpers/runs';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const configured = (name: string, change: object = {}): TrainConfigInput =>
  mergeConfig(structuredClone(tinyConfig) as never, { ...change, out: at(name) } as never) as TrainConfigInput;

const model = (name: string): string => modelBytes(at(name));
const epochs = (events: readonly TrainEvent[]): EpochEvent[] =>
  events.filter((event): event is EpochEvent => event.event === 'epoch');
const named = (events: readonly TrainEvent[]): string[] =>
  epochs(events).map(({ phase, epoch, stopsEarly }) => `${phase} ${epoch}${stopsEarly ? ' stops' : ''}`);

/** Everything at once. */
const everything = {
  labelSmoothing: 0.1,
  accumulate: 2,
  patience: 5,
  schedule: { kind: 'triangular', peak: 0.3, final: 0.05 },
  augment: { padding: 3, border: 'reflect', flip: true, trivial: true, cutout: 8, mixup: 0.4, cutmix: 1 },
};
const recipe = {
  ann: { ...everything, optimizer: { nesterov: true, ema: 0.9 } },
  snn: { ...everything, optimizer: { ema: 0.8 } },
};

describe('a run with every option', () => {
  let whole: TrainEvent[];
  beforeAll(async () => {
    whole = await collect(train(configured('whole', recipe)));
  });

  test.each([
    ['ann', 0, 3],
    ['ann', 1, 5],
    ['snn', 0, 1],
    ['snn', 1, 4],
  ] as const)('stopped in stage %s, epoch %i, step %i, ends bit-identical', async (stage, epoch, step) => {
    const name = `stopped in ${stage} ${epoch} ${step}`;
    for await (const event of train(configured(name, recipe), { progressSeconds: 0 })) {
      const there = event.event === 'progress' && event.activity === 'train' && event.phase === stage;
      if (there && event.epoch === epoch + 1 && event.step === step) break;
    }
    const rest = await collect(resume(at(name), { threads: 2 }));
    expect(rest[0]).toMatchObject({ event: 'start', resumed: { stage, epoch, step } });
    expect(model(name)).toBe(model('whole'));
    const scores = ({ trainLoss, validationLoss, validationAccuracy }: EpochEvent): object => ({
      trainLoss,
      validationLoss,
      validationAccuracy,
    });
    expect(epochs(rest).map(scores)).toEqual(epochs(whole).slice(-epochs(rest).length).map(scores));
  });

  test('has no effect where nothing asks for it: other options, another model', async () => {
    await collect(train(configured('plain')));
    expect(model('plain')).not.toBe(model('whole'));
  });
});

test('two batches of 16 in one update are a batch of 32, to the bit', async () => {
  const augment = { mixup: 0.5, cutmix: 1 };
  const small = { batch: 16, accumulate: 2, augment };
  const large = { batch: 32, augment };
  const accumulated = await collect(train(configured('accumulated', { ann: small, snn: small })));
  const once = await collect(train(configured('once', { ann: large, snn: large })));
  expect(model('accumulated')).toBe(model('once'));
  expect(epochs(accumulated).map(({ trainLoss }) => trainLoss)).toEqual(epochs(once).map(({ trainLoss }) => trainLoss));
});

test('the average is what is validated, kept and saved', async () => {
  const ann = { epochs: 3, optimizer: { ema: 0.95 } };
  const config = configured('averaged', { ann, snn: { epochs: 0 }, convert: { enabled: false } });
  let checked = 0;
  for await (const event of train(config)) {
    if (event.event !== 'epoch') continue;
    const { tensors, slots } = await readModel(join(at('averaged'), 'checkpoints', 'last.safetensors'));
    const best = await readModel(join(at('averaged'), 'checkpoints', 'ann-best.safetensors'));
    if (!event.best) continue;
    for (const [name, { data }] of best.tensors) {
      if (!name.endsWith('.weight')) continue;
      expect(data).toEqual(slots.get(`average.${name}`)!.data);
      expect(data).not.toEqual(tensors.get(name)!.data);
      checked++;
    }
  }
  expect(checked).toBeGreaterThan(0);
  const run = await loadRun(at('averaged'));
  const final = await readModel(join(at('averaged'), 'model.safetensors'));
  const best = await readModel(join(at('averaged'), 'checkpoints', 'ann-best.safetensors'));
  expect(final.tensors).toEqual(best.tensors);
  expect(run.mode).toBe('ann');
});

describe('patience', () => {
  // So small that no parameter changes: no epoch is better than the first, or than the conversion.
  const still = {
    epochs: 6,
    patience: 2,
    optimizer: { kind: 'sgd', learningRate: 1e-30, weightDecay: 0 },
    schedule: { kind: 'constant', warmup: 0 },
  };

  test('ends a stage after so many epochs without a better one, and its best one is kept', async () => {
    const events = await collect(train(configured('patient', { ann: still, snn: still })));
    expect(named(events)).toEqual(['ann 1', 'ann 2', 'ann 3 stops', 'snn 1', 'snn 2 stops']);
    const best = ({ best }: EpochEvent): boolean => best;
    expect(epochs(events).map(best)).toEqual([true, false, false, false, false]);
    expect((await loadRun(at('patient'))).metrics).toEqual(
      events.filter(({ event }) => event === 'epoch' || event === 'converted'),
    );
    expect(events.at(-1)).toMatchObject({ event: 'done' });
  });

  test('a run that was stopped within it resumes to the same end', async () => {
    for await (const event of train(configured('stopped', { ann: still, snn: still }), { progressSeconds: 0 }))
      if (event.event === 'progress' && event.phase === 'ann' && event.epoch === 3 && event.step === 4) break;
    const hasty = resume(at('stopped'), { changes: { ann: { patience: 1 } } });
    await expect(collect(hasty)).rejects.toMatchObject({
      message: expect.stringContaining('more than 1 for ann.patience'),
    });
    expect(named(await collect(resume(at('stopped'))))).toEqual(['ann 3 stops', 'snn 1', 'snn 2 stops']);
    expect(model('stopped')).toBe(model('patient'));
  });

  test('a finished run goes on with more patience, and says that it needs some', async () => {
    const longer = collect(resume(at('patient'), { changes: { snn: { epochs: 9 } } }));
    await expect(longer).rejects.toMatchObject({
      code: 'ERR_ARG',
      message: expect.stringContaining(
        'Expected 0 or more than 2 for snn.patience, so many epochs after the best one, but received 2',
      ),
    });
    const images = collect(resume(at('patient'), { changes: { energy: { images: 5 } } }));
    expect(named(await images)).toEqual([]);
    expect(named(await collect(resume(at('patient'), { changes: { snn: { patience: 4 } } })))).toEqual([
      'snn 3',
      'snn 4 stops',
    ]);
    expect(named(await collect(resume(at('patient'), { changes: { snn: { patience: 0 } } })))).toEqual([
      'snn 5',
      'snn 6',
    ]);
  });

  test.each(['ann', 'binary', 'snn'])('needs validation images in stage %s', async (phase) => {
    const without = configured('without', { dataset: { validation: 0 }, [phase]: { patience: 3 } });
    await expect(collect(train(without))).rejects.toMatchObject({
      code: 'ERR_ARG',
      message: expect.stringMatching(
        new RegExp(`Expected 0 \\(there are no validation images.*for ${phase}\\.patience but received 3`),
      ),
    });
    expect(existsSync(at('without'))).toBe(false);
  });
});

test('a run that starts from another network warns of its validation accuracy', async () => {
  const warned = (events: TrainEvent[]): object[] =>
    events.filter((event) => event.event === 'warning' && event.code === 'INIT_SEEN_IMAGES');
  const short = { ann: { epochs: 1 }, snn: { epochs: 0 }, convert: { enabled: false } };
  expect(warned(await collect(train(configured('first', short))))).toEqual([]);
  const second = { ...short, init: at('first') };
  expect(warned(await collect(train(configured('second', second))))).toEqual([
    {
      event: 'warning',
      code: 'INIT_SEEN_IMAGES',
      message: expect.stringMatching(/validation accuracy is then too high/),
    },
  ]);
  const unvalidated = { ...second, dataset: { validation: 0 } };
  expect(warned(await collect(train(configured('unvalidated', unvalidated))))).toEqual([]);
});
