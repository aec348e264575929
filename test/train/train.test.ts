import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { backendInfo } from '../../lib/native/devices';
import { loadRun } from '../../lib/train/run/load-run';
import { resume, train } from '../../lib/train/loop/train';
import type { TrainConfigInput } from '../../lib/train/config/config';
import type { TrainEvent } from '../../lib/train/run/events';
import { temporaryFolder, tinyConfig } from '../helpers/command-line';
import { collect, modelBytes, testAccuracy } from '../helpers/runs';

const folder = temporaryFolder();
const tiny = (name: string): TrainConfigInput =>
  ({ ...structuredClone(tinyConfig), out: join(folder, name) }) as unknown as TrainConfigInput;

const model = (name: string): string => modelBytes(join(folder, name));

let whole: TrainEvent[];
beforeAll(async () => {
  whole = await collect(train(tiny('whole')));
});

test('the events end with done, and loadRun returns what was trained', async () => {
  const done = whole.at(-1)!;
  if (done.event !== 'done') throw new Error(`Expected done but received ${done.event}`);
  const run = await loadRun(join(folder, 'whole'));
  expect(run).toMatchObject({
    path: join(folder, 'whole'),
    mode: 'snn',
    results: done,
    config: { model: { name: 'tiny' } },
  });
  expect(run.classes).toHaveLength(10);
  expect(run.metrics).toEqual(whole.filter(({ event }) => event === 'epoch' || event === 'converted'));
  expect(await testAccuracy(join(folder, 'whole'), 'snn')).toBe(done.snn.testAccuracy);
});

test('a signal saves the run and throws ERR_ABORTED; the resumed run is bit-identical', async () => {
  const controller = new AbortController();
  const seen: TrainEvent[] = [];
  const stopped = collect(train(tiny('aborted'), { signal: controller.signal, progressSeconds: 0 }), (event) => {
    seen.push(event);
    if (event.event === 'progress' && event.phase === 'snn' && event.activity === 'train' && event.step === 4)
      controller.abort();
  });
  await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  expect(seen.at(-1)).toMatchObject({ event: 'saved', stage: 'snn', epoch: 0, step: 4 });
  const rest = await collect(resume(join(folder, 'aborted'), { threads: 2 }));
  expect(rest[0]).toMatchObject({ event: 'start', resumed: { stage: 'snn', epoch: 0, step: 4 } });
  expect(model('aborted')).toBe(model('whole'));
});

test('leaving the loop is an interruption as well', async () => {
  for await (const event of train(tiny('left'), { progressSeconds: 0 })) {
    if (event.event === 'progress' && event.activity === 'train' && event.step === 3) break;
  }
  const unfinished = await loadRun(join(folder, 'left'));
  expect(unfinished.results).toBeUndefined();
  await expect(unfinished.network()).rejects.toMatchObject({ code: 'ERR_STATE' });
  await collect(resume(join(folder, 'left')));
  expect(model('left')).toBe(model('whole'));
});

test('resume takes the backend of the run, or another one by name, and says so', async () => {
  const path = join(folder, 'begun');
  for await (const event of train(tiny('begun'), { progressSeconds: 0 }))
    if (event.event === 'progress' && event.step === 3) break;
  // As if it came from a machine with a GPU.
  const info = JSON.parse(readFileSync(join(path, 'run.json'), 'utf8')) as Record<string, unknown>;
  expect(info).toMatchObject({ backend: 'cpu', precision: 'fp32' });
  writeFileSync(join(path, 'run.json'), JSON.stringify({ ...info, backend: 'cuda', precision: 'mixed' }));
  if (backendInfo().backend === 'cpu')
    await expect(collect(resume(path))).rejects.toMatchObject({
      code: 'ERR_NO_BACKEND',
      message: expect.stringContaining(backendInfo().cudaReason),
    });
  await expect(collect(resume(path, { backend: 'gpu' as never }))).rejects.toMatchObject({ code: 'ERR_ARG' });
  const events = await collect(resume(path, { backend: 'cpu' }));
  expect(events[0]).toMatchObject({
    event: 'start',
    backend: 'cpu',
    precision: 'mixed',
    resumed: { backend: 'cuda', step: 3 },
  });
  expect(events.at(-1)).toMatchObject({ event: 'done' });
  expect(JSON.parse(readFileSync(join(path, 'run.json'), 'utf8'))).toMatchObject({
    backend: 'cpu',
    earlierBackends: ['cuda'],
    precision: 'mixed',
  });
});

test('a signal that has fired already starts nothing', async () => {
  await expect(collect(train(tiny('never'), { signal: AbortSignal.abort() }))).rejects.toMatchObject({
    code: 'ERR_ABORTED',
  });
  await expect(loadRun(join(folder, 'never'))).rejects.toMatchObject({ code: 'ERR_IO' });
});

test('resume needs a run', async () => {
  await expect(collect(resume(join(folder, 'absent')))).rejects.toMatchObject({ code: 'ERR_IO' });
});

test('a wrong configuration is refused before anything is written', async () => {
  await expect(collect(train({ ...(tiny('wrong') as object), sead: 1 } as never))).rejects.toMatchObject({
    code: 'ERR_ARG',
    message: expect.stringContaining("'seed'"),
  });
  await expect(loadRun(join(folder, 'wrong'))).rejects.toMatchObject({ code: 'ERR_IO' });
});
