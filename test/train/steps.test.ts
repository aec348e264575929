// Training in groups of steps: a run does not depend on their size, and its state is visible between two of them.
import { join } from 'node:path';
import { readModel, writeModel } from '../../lib/model/model-file';
import type { TrainConfigInput } from '../../lib/train/config/config';
import type { DoneEvent, ProgressEvent, SavedEvent, TrainEvent } from '../../lib/train/run/events';
import type { TrainState } from '../../lib/train/run/state';
import { resume, train, type TrainOptions } from '../../lib/train/loop/train';
import { temporaryFolder, tinyConfig } from '../helpers/command-line';
import { collect, modelBytes } from '../helpers/runs';

const folder = temporaryFolder();
const stepsPerEpoch = 12; // 180 images in batches of 16: the last has 4
const configured = (name: string, change: object = {}): TrainConfigInput =>
  ({ ...structuredClone(tinyConfig), ...change, out: join(folder, name) }) as unknown as TrainConfigInput;

/** Everything but times, rates and names of folders. */
function timeless(value: unknown): unknown {
  const timed = ['seconds', 'cpuSeconds', 'imagesPerSecond', 'run'];
  return JSON.parse(JSON.stringify(value, (key, item: unknown) => (timed.includes(key) ? undefined : item)));
}

const model = (name: string): string => modelBytes(join(folder, name));
const trained = (events: TrainEvent[]): ProgressEvent[] =>
  events.filter((event): event is ProgressEvent => event.event === 'progress' && event.activity === 'train');
const stored = async (name: string): Promise<TrainState> =>
  JSON.parse((await readModel(join(folder, name, 'checkpoints', 'last.safetensors'))).extra.state!) as TrainState;

let whole: TrainEvent[];
beforeAll(async () => {
  whole = await collect(train(configured('whole'), { progressSeconds: 0 }));
});

test('on the CPU a group is one step', () => {
  expect(trained(whole).map(({ step }) => step)).toEqual(
    Array.from({ length: 4 * stepsPerEpoch }, (_, i) => (i % stepsPerEpoch) + 1),
  );
});

test.each([5, 12, 16, 1000])(
  'groups of up to %i steps: the same model, the same events, progress between groups',
  async (stepsAtOnce) => {
    const name = `groups of ${stepsAtOnce}`;
    const events = await collect(train(configured(name), { stepsAtOnce, progressSeconds: 0 }));
    expect(model(name)).toBe(model('whole'));
    const others = (all: TrainEvent[]): unknown => timeless(all.filter((event) => event.event !== 'progress'));
    expect(others(events)).toEqual(
      others(whole.map((event) => (event.event === 'start' ? { ...event, run: '' } : event))),
    );
    // Groups end with the epoch; what they report is what single steps report there.
    const ends = Array.from({ length: stepsPerEpoch }, (_, i) => i + 1).filter(
      (step) => step % stepsAtOnce === 0 || step === stepsPerEpoch,
    );
    const progress = trained(events);
    expect(progress.map(({ step }) => step)).toEqual(Array.from({ length: 4 }, () => ends).flat());
    expect(timeless(progress)).toEqual(timeless(trained(whole).filter(({ step }) => ends.includes(step))));
  },
);

test('a checkpoint that is due is written between two groups, with the step that it was written at', async () => {
  const seen: number[] = [];
  await collect(
    train(configured('saving', { checkpoint: { seconds: 1e-6 } }), { stepsAtOnce: 5, progressSeconds: 0 }),
    async (event) => {
      if (event.event !== 'progress' || event.activity !== 'train') return;
      const { stage, epoch, step } = await stored('saving');
      expect({ stage, epoch, step }).toEqual({ stage: event.phase, epoch: event.epoch - 1, step: event.step });
      seen.push(step);
    },
  );
  expect(seen.slice(0, 3)).toEqual([5, 10, 12]);
  expect(model('saving')).toBe(model('whole'));
});

test('a signal inside a group saves the completed steps; resumed in groups of another size, the run is bit-identical', async () => {
  let saved: SavedEvent | undefined;
  // Later and later, until it falls neither before the first step of a group nor behind its last.
  for (let attempt = 0; saved === undefined || saved.step % stepsPerEpoch === 0 || saved.stage !== 'ann'; attempt++) {
    expect(attempt).toBeLessThan(60);
    const name = `aborted ${attempt}`;
    const controller = new AbortController();
    const options: TrainOptions = { signal: controller.signal, stepsAtOnce: 1000 };
    const events: TrainEvent[] = [];
    const run = collect(train(configured(name), options), (event) => {
      events.push(event);
      if (event.event === 'start') setTimeout(() => controller.abort(), attempt / 2);
    });
    const error: unknown = await run.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) continue;
    expect(error).toMatchObject({ code: 'ERR_ABORTED' });
    saved = events.at(-1) as SavedEvent;
    expect(saved.event).toBe('saved');
  }
  expect(saved.step).toBeLessThan(stepsPerEpoch);
  const name = saved.run.slice(folder.length + 1);
  const { epoch, step, sums } = await stored(name);
  expect({ epoch, step, count: sums.count }).toEqual({ epoch: saved.epoch, step: saved.step, count: 16 * saved.step });
  await withTimes(name, { seconds: 2000, cpuSeconds: 1000 });
  const done = (await collect(resume(join(folder, name), { stepsAtOnce: 7 }))).at(-1) as DoneEvent;
  expect(model(name)).toBe(model('whole'));
  for (const [time, before] of [
    [done.seconds, 2000],
    [done.cpuSeconds, 1000],
  ] as const) {
    expect(time).toBeGreaterThan(before);
    expect(time).toBeLessThan(before + 500);
  }
});

/** Rewrites the last checkpoint of a run, as if the run had taken that long. */
async function withTimes(name: string, times: Pick<TrainState, 'seconds' | 'cpuSeconds'>): Promise<void> {
  const path = join(folder, name, 'checkpoints', 'last.safetensors');
  const { network, tensors, slots, extra } = await readModel(path);
  const state = JSON.stringify({ ...(JSON.parse(extra.state!) as TrainState), ...times });
  await writeModel(path, network, tensors, { slots, extra: { ...extra, state } });
}

test('a loss that is no longer finite is reported at its step, whatever the group', async () => {
  const optimizer = {
    ...(tinyConfig.ann as object),
    optimizer: { learningRate: 100, clipNorm: 0 },
    schedule: { kind: 'constant', warmup: 0 },
  };
  const failure = async (name: string, stepsAtOnce: number): Promise<string> => {
    const error: unknown = await collect(train(configured(name, { ann: optimizer }), { stepsAtOnce })).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'ERR_STATE' });
    return (error as Error).message.replace(join(folder, name), 'RUN');
  };
  const alone = await failure('diverged alone', 1);
  expect(alone).toMatch(/phase ann, epoch \d+, step \d+ .*layers\.\d/);
  expect(await failure('diverged in a group', 12)).toBe(alone);
});

test.each([0, 1.5, 1025, 'x'])('stepsAtOnce: %p is refused', async (stepsAtOnce) => {
  await expect(collect(train(configured('wrong'), { stepsAtOnce: stepsAtOnce as number }))).rejects.toMatchObject({
    code: 'ERR_ARG',
    message: expect.stringMatching(/stepsAtOnce/),
  });
});
