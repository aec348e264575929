// Sweeps within one process: what they write, what they do about trials that fail, and locks that others have left.
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseStudy } from '../../lib/cluster/study';
import { sweep, type BeginEvent, type SweepEvents, type SweptEvent, type TrialEvent } from '../../lib/cluster/sweep';
import { readCheckpoint } from '../../lib/train/run/checkpoint';
import { loadRun } from '../../lib/train/run/load-run';
import { thisOwner } from '../../lib/train/run/owner';
import { temporaryFolder } from '../helpers/command-line';
import { tinyTrials } from './helpers';

const folder = temporaryFolder();
const at = (...names: string[]): string => join(folder, ...names);
const study = (parts: object): object => ({ config: tinyTrials, ...parts });

async function collected(stream: AsyncIterable<SweepEvents>): Promise<SweepEvents[]> {
  const events: SweepEvents[] = [];
  for await (const event of stream) events.push(event);
  return events;
}
const trialsIn = (events: readonly SweepEvents[]): TrialEvent[] =>
  events.filter((event): event is TrialEvent => event.event === 'trial');
const begun = (events: readonly SweepEvents[]): BeginEvent[] =>
  events.filter((event): event is BeginEvent => event.event === 'begin');

test('runs every trial, ranks the candidates, and does nothing when started again', async () => {
  const given = study({ parameters: { 'ann.batch': [16, 32] }, seeds: [1, 2] });
  const events = await collected(sweep(given, { out: at('grid'), threads: 1 }));
  expect(events[0]).toMatchObject({ event: 'sweep', name: 'study', method: 'grid', trials: 4, ended: 0, stages: 1 });
  expect(trialsIn(events).map(({ trial, status }) => [trial, status])).toEqual([1, 2, 3, 4].map((n) => [n, 'done']));
  const { candidates, ...swept } = events.at(-1) as SweptEvent;
  expect(swept).toEqual({ event: 'swept', out: at('grid'), done: 4, diverged: 0, failed: 0 });
  expect(candidates).toHaveLength(2);
  expect(candidates[0]!.validationAccuracy!.mean).toBeGreaterThanOrEqual(candidates[1]!.validationAccuracy!.mean);

  for (const { event: _event, ...result } of trialsIn(events)) {
    const run = await loadRun(at('grid', result.run));
    expect(run.config).toMatchObject({ seed: result.seed, ann: { batch: result.parameters['ann.batch'] } });
    expect(result.testAccuracy).toBe(run.results!.snn.testAccuracy);
    const epochs = run.metrics.filter((metric) => metric.event === 'converted' || metric.phase === 'snn');
    expect(result.validationAccuracy).toBe(Math.max(...epochs.map(({ validationAccuracy }) => validationAccuracy!)));
  }
  const lines = readFileSync(at('grid', 'results.jsonl'), 'utf8').trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual(trialsIn(events).map(({ event: _event, ...result }) => result));
  expect(readFileSync(at('grid', 'table.md'), 'utf8').trimEnd().split('\n')).toHaveLength(4);
  expect(readFileSync(at('grid', 'accuracy.svg'), 'utf8').match(/<circle/g)).toHaveLength(8); // and energy

  const again = await collected(sweep(given, { out: at('grid') }));
  expect(again.map(({ event }) => event)).toEqual(['sweep', 'swept']);
  expect(again[0]).toMatchObject({ ended: 4 });
  expect(again.at(-1)).toEqual(events.at(-1));
  await expect(
    collected(sweep(study({ parameters: { 'ann.batch': [8] } }), { out: at('grid') })),
  ).rejects.toMatchObject({
    code: 'ERR_STATE',
    message: expect.stringContaining('received another one'),
  });
});

test('the validation accuracy is that of the tested network, whichever other one was more accurate', async () => {
  const spoiling = { epochs: 2, optimizer: { learningRate: 0.1 } };
  const given = study({
    method: 'arms',
    arms: {
      'fewer steps before': { snn: { ...spoiling, incremental: [{ timesteps: 1, epochs: 1 }] } },
      'too many spikes before': { snn: { ...spoiling, epochs: 1, activity: { target: 0.001, strength: 100 } } },
    },
  });
  const higher: boolean[] = [];
  for (const { run, validationAccuracy } of trialsIn(
    await collected(sweep(given, { out: at('tested'), threads: 1 })),
  )) {
    const { state } = await readCheckpoint(at('tested', run, 'checkpoints', 'last.safetensors'));
    expect(validationAccuracy).toBe(state.best.snn!.accuracy);
    const { metrics } = await loadRun(at('tested', run));
    const spiking = metrics.filter((metric) => metric.event === 'converted' || metric.phase === 'snn');
    higher.push(spiking.some((metric) => metric.validationAccuracy! > validationAccuracy!));
  }
  // Else the test would say nothing.
  expect(higher).toContain(true);
});

test('a trial that diverges or does not fit is recorded, and the others go on', async () => {
  const layers = (kernel: number): object[] => [
    { type: 'conv', out: 4, kernel, padding: 0, stride: 4 },
    { type: 'linear', out: 10, output: true },
  ];
  const given = study({
    config: { ...tinyTrials, ann: { epochs: 4, batch: 16, optimizer: { clipNorm: 0 } } },
    parameters: { 'ann.optimizer.learningRate': [100, 0.01], 'model.layers': [layers(3), layers(63)] },
  });
  const events = await collected(sweep(given, { out: at('faults'), threads: 1 }));
  const [diverged, large, done, largeToo] = trialsIn(events);
  expect(diverged).toMatchObject({ status: 'diverged', validationAccuracy: null, testAccuracy: null });
  expect(diverged!.error).toMatch(/Expected a finite loss in phase ann/);
  for (const failed of [large, largeToo]) {
    expect(failed).toMatchObject({ status: 'failed', validationAccuracy: null });
    expect(failed!.error).toMatch(/layers\[0\]/);
  }
  expect(done).toMatchObject({ status: 'done' });
  expect(events.at(-1)).toMatchObject({ done: 1, diverged: 1, failed: 2 });
  expect((events.at(-1) as SweptEvent).candidates[0]!.candidate).toBe(3);
  expect((await collected(sweep(given, { out: at('faults') }))).map(({ event }) => event)).toEqual(['sweep', 'swept']);
});

test('successive halving gives the best more epochs, in the runs that they have', async () => {
  const given = study({
    method: 'halving',
    parameters: { 'snn.optimizer.learningRate': { min: 1e-4, max: 1e-1, scale: 'log' } },
    trials: 4,
    halving: { epochs: 1, factor: 2, stages: 3 },
  });
  const events = await collected(sweep(given, { out: at('halving'), threads: 1 }));
  const ended = trialsIn(events).map(({ stage }) => stage);
  expect(ended).toEqual([0, 0, 0, 0, 1, 1, 2]);
  const best = (stage: number): number[] =>
    trialsIn(events)
      .filter((event) => event.stage === stage)
      .sort((a, b) => b.validationAccuracy! - a.validationAccuracy! || a.trial - b.trial)
      .map(({ trial }) => trial);
  expect(best(1).sort()).toEqual(best(0).slice(0, 2).sort());
  const [winner] = best(2);
  expect(best(1)).toContain(winner);
  for (const { trial } of begun(events)) {
    const stage = Math.max(
      ...trialsIn(events)
        .filter((event) => event.trial === trial)
        .map((event) => event.stage),
    );
    const { metrics } = await loadRun(at('halving', 'trials', String(trial).padStart(4, '0')));
    const epochs = metrics.flatMap((metric) =>
      metric.event === 'epoch' && metric.phase === 'snn' ? metric.epoch : [],
    );
    expect(epochs).toEqual(Array.from({ length: 2 ** stage }, (_, i) => i + 1));
  }
  expect((events.at(-1) as SweptEvent).candidates[0]).toMatchObject({ candidate: winner, stage: 2 });
});

test('a signal saves the trial that runs, and the sweep goes on within it', async () => {
  const given = study({
    parameters: { 'ann.batch': [8, 16] },
    config: { ...tinyTrials, ann: { epochs: 60, batch: 8 } },
  });
  const controller = new AbortController();
  const stopped = (async () => {
    for await (const event of sweep(given, { out: at('signal'), threads: 1, signal: controller.signal }))
      if (event.event === 'begin') setTimeout(() => controller.abort(), 700);
  })();
  await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  const events = await collected(sweep(given, { out: at('signal'), threads: 1 }));
  expect(begun(events).map(({ trial }) => trial)).toEqual([1, 2]);
  expect(trialsIn(events).map(({ status }) => status)).toEqual(['done', 'done']);
});

test('the lock of a process on another host holds while it is fresh, and not for ever', async () => {
  const given = study({ parameters: { 'ann.batch': [16, 32] } });
  const lock = at('locked', 'locks', '0001', 'run.lock');
  mkdirSync(at('locked', 'locks', '0001'), { recursive: true });
  writeFileSync(lock, JSON.stringify({ ...thisOwner('there'), host: 'elsewhere.invalid', place: 'another boot' }));
  writeFileSync(at('locked', 'study.json'), `${JSON.stringify(parseStudy(given), null, 2)}\n`);
  const order: number[] = [];
  for await (const event of sweep(given, { out: at('locked'), threads: 1 })) {
    if (event.event === 'begin') order.push(event.trial);
    // Only when the other trial is done has the owner of this one been silent for long.
    if (event.event === 'trial' && event.trial === 2) utimesSync(lock, 0, 0);
  }
  expect(order).toEqual([2, 1]);
});

test.each<[object, RegExp]>([
  [{ out: '' }, /a non-empty string for out/],
  [{ threads: -1 }, /for threads but received -1/],
  [{ device: 0.5 }, /for device but received 0\.5/],
  [{ signal: 5 }, /an AbortSignal for signal/],
  [{ thread: 1 }, /unknown key 'thread' \(did you mean 'threads'\?\)/],
])('the options %j are refused', async (options, message) => {
  await expect(collected(sweep(study({ parameters: {} }), options as never))).rejects.toMatchObject({
    code: 'ERR_ARG',
    message: expect.stringMatching(message),
  });
});

test('a folder that holds something else is refused', async () => {
  mkdirSync(at('mine'));
  writeFileSync(at('mine', 'notes.txt'), 'mine');
  await expect(collected(sweep(study({ parameters: {} }), { out: at('mine') }))).rejects.toMatchObject({
    code: 'ERR_STATE',
    message: expect.stringMatching(/holds 1 other entries/),
  });
});
