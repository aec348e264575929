// Runs that choose width and epochs by the time they have.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { resolveConfig, type TrainConfig, type TrainConfigInput } from '../../../lib/train/config/config';
import { resume, train } from '../../../lib/train/loop/train';
import { Pace } from '../../../lib/train/minutes/pace';
import type { PlannedRun } from '../../../lib/train/minutes/plan';
import { fitEpochs, SHARES, timesOf, trainingSeconds, type PerPhase } from '../../../lib/train/minutes/times';
import type { DoneEvent, Phase, PlanEvent, TrainEvent } from '../../../lib/train/run/events';
import type { RunInfo } from '../../../lib/train/run/run-folder';
import { temporaryFolder } from '../../helpers/command-line';
import { collect, leaveIn } from '../../helpers/runs';

const none: PerPhase = { ann: 0, binary: 0, snn: 0 };
const epochs = (ann: number, binary: number, snn: number): PerPhase => ({ ann, binary, snn });

test('times follow from rates and numbers of images', () => {
  const rates = { train: { ann: 10, binary: 20, snn: 40 }, evaluate: { ann: 50, snn: 100 }, energy: 5 };
  const counts = { train: 200, validation: 100, test: 300, energy: 15 };
  const times = timesOf(rates, counts, SHARES.spikes);
  // Conversion: 300 test images by the ANN, 100 and 300 by the converted network; the end: 300 and 15.
  const rest = 6 + 1 + 3 + 3 + 3;
  expect(times).toEqual({ shares: SHARES.spikes, epoch: { ann: 22, binary: 12, snn: 6 }, rest });
  expect(trainingSeconds(times.epoch, epochs(2, 3, 4))).toBe(2 * 22 + 3 * 12 + 4 * 6);
  // A network with a code has no binary phase.
  const coded = timesOf({ ...rates, train: { ...rates.train, binary: 0 } }, counts, SHARES.code);
  expect(coded).toEqual({ shares: SHARES.code, epoch: { ann: 22, binary: 0, snn: 6 }, rest });
  expect(fitEpochs(100, coded, none)).toEqual(epochs(3, 0, 6));
});

describe('epochs that fit', () => {
  const seconds = { ann: 80, binary: 80, snn: 30 };
  const fitted = { epoch: seconds, shares: SHARES.spikes };

  test.each([
    [5000, 'ann', none, epochs(37, 20, 15)],
    [420, 'ann', none, epochs(3, 1, 3)],
    // Even one epoch each does not fit.
    [100, 'ann', none, epochs(1, 1, 1)],
    // Six ANN epochs are over, of a time that would hold three.
    [600, 'ann', epochs(6, 0, 0), epochs(6, 2, 1)],
    [600, 'binary', epochs(4, 1, 0), epochs(4, 2, 4)],
    [600, 'snn', epochs(4, 2, 3), epochs(4, 2, 4)],
    [100, 'snn', epochs(4, 2, 3), epochs(4, 2, 3)],
  ] as const)('in %i s, from phase %s with %j done', (time, from, done, expected) => {
    expect(fitEpochs(time, fitted, done, from as Phase)).toEqual(expected);
  });

  test('end within half a spiking epoch, and the ANN has about six tenths, for any time that holds ten', () => {
    for (let time = 1900; time < 40_000; time += 137) {
      const chosen = fitEpochs(time, fitted, none);
      expect(Math.abs(trainingSeconds(seconds, chosen) - time)).toBeLessThanOrEqual(15);
      expect((80 * chosen.ann) / time).toBeGreaterThan(0.55);
      expect((80 * chosen.ann) / time).toBeLessThan(0.65);
    }
  });
});

describe('pace', () => {
  const times = { epoch: { ann: 30, binary: 30, snn: 15 }, shares: SHARES.spikes, rest: 20 };
  const plan = { minutes: 10, width: 1, precision: 'fp32', batch: 256, imagesPerSecond: epochs(1, 1, 1), seconds: 600 };
  // 14 * 30 + 2 * 30 + 6 * 15 + 20 s, and 10 s before.
  const chosen = epochs(14, 2, 6);
  const config = {
    ann: { epochs: chosen.ann },
    binary: { epochs: chosen.binary },
    snn: { epochs: chosen.snn },
  } as TrainConfig;
  const afterEpoch = (phase: Phase, done: number, seconds: number, elapsed: number): PlanEvent | null =>
    new Pace({ config, plan: { ...plan, epochs: chosen }, times } as PlannedRun).afterEpoch(config, phase, {
      done,
      seconds,
      elapsed,
    });

  test('a run on time stays as it is', () => {
    expect(afterEpoch('ann', 1, 30, 40)).toBeNull();
    expect(afterEpoch('ann', 1, 31, 41)).toBeNull();
    expect(afterEpoch('snn', 5, 15, 565)).toBeNull();
  });

  test('a slower machine makes fewer epochs of every phase to come', () => {
    // Twice as slow: 590 s hold half of it.
    expect(afterEpoch('ann', 1, 60, 70)).toMatchObject({ event: 'plan', minutes: 10, epochs: epochs(6, 2, 2) });
    expect(afterEpoch('ann', 1, 60, 70)!.seconds).toBe(70 + 5 * 60 + 2 * 60 + 2 * 30 + 40);
  });

  test('a faster one makes more', () => {
    expect(afterEpoch('ann', 1, 15, 25)!.epochs).toEqual(epochs(23, 12, 7));
  });

  test('a phase whose learning rate has come down gets no more epochs: they go to those that follow', () => {
    expect(afterEpoch('ann', 11, 15, 250)!.epochs.ann).toBeGreaterThan(14);
    const late = afterEpoch('ann', 12, 15, 250)!;
    expect(late.epochs.ann).toBe(14);
    expect(late.epochs.binary).toBeGreaterThan(2);
    expect(late.seconds).toBeGreaterThan(580);
    expect(afterEpoch('snn', 5, 15, 400)).toBeNull();
    // Fewer it may have.
    expect(afterEpoch('ann', 12, 60, 560)!.epochs.ann).toBe(12);
  });

  test('spiking epochs alone are left: they end in time, and none is taken back', () => {
    expect(afterEpoch('snn', 1, 30, 520)!.epochs).toEqual(epochs(14, 2, 2));
    expect(afterEpoch('snn', 3, 15, 640)!.epochs).toEqual(epochs(14, 2, 3));
    expect(afterEpoch('snn', 6, 15, 700)).toBeNull();
  });
});

describe('refused by name', () => {
  test.each<[object, RegExp]>([
    [{ minutes: 0 }, /minutes above 0, at most 10080 \(a week\) for minutes but received 0/],
    [{ minutes: -3 }, /for minutes but received -3/],
    [{ minutes: 10081 }, /for minutes but received 10081/],
    [{ minutes: '10' }, /for minutes but received '10'/],
    [{ minutes: NaN }, /for minutes but received NaN/],
    [{ minutes: 5, ann: { epochs: 3 } }, /no ann\.epochs beside minutes .* but received 3/],
    [{ minutes: 5, binary: { epochs: 1 } }, /no binary\.epochs beside minutes .* but received 1/],
    [{ minutes: 5, snn: { epochs: 2 } }, /no snn\.epochs beside minutes .* but received 2/],
    [{ minutes: 5, budget: 'cpu' }, /no budget beside minutes .* but received 'cpu'/],
    [{ minutes: 5, init: 'runs/old' }, /no init beside minutes .* but received 'runs\/old'/],
    [
      { minutes: 5, model: { layers: [{ type: 'linear', out: 10, output: true }] } },
      /no model\.layers beside minutes .* but received an array of 1/,
    ],
  ])('%j', (given, message) => {
    expect(() => resolveConfig(given as TrainConfigInput)).toThrow(
      expect.objectContaining({ code: 'ERR_ARG', message: expect.stringMatching(message) }),
    );
  });

  test('what is left to minutes is no fault, and resolving once more changes nothing', () => {
    const config = resolveConfig({ minutes: 5, preset: 'vgg9', dataset: { name: 'mnist' } });
    expect(config).toMatchObject({ minutes: 5, ann: { epochs: 0 }, binary: { epochs: 0 }, snn: { epochs: 0 } });
    expect(config.model).toMatchObject({ name: 'vgg9', timesteps: 1, norm: 'batch', hidden: [] });
    expect(config.model.width).toBeUndefined();
    expect(resolveConfig(config)).toEqual(config);
    expect(resolveConfig({ minutes: 5, convert: { enabled: false } }).convert.enabled).toBe(false);
    expect(resolveConfig({ minutes: 5 }).model.name).toBe('vgg7');
    // Spikes of a code have no cost.
    const radix = { model: { code: { kind: 'radix', bits: 3 } } } as const;
    for (const coded of [{ preset: 'vgg7-ttfs' } as const, radix])
      expect(resolveConfig({ minutes: 5, ...coded }).snn.activity.strength).toBe(0);
  });
});

describe('a run', () => {
  // Of fifteen seconds on an idle machine, and of minutes on one that is busy.
  const patient = 600_000;
  const folder = temporaryFolder();
  const configured = (name: string, minutes: number): TrainConfigInput => ({
    minutes,
    dataset: { name: 'shapes', trainCount: 130, testCount: 20 },
    threads: 1,
    backend: 'cpu',
    energy: { images: 20 },
    out: join(folder, name),
  });
  const info = (name: string): RunInfo => JSON.parse(readFileSync(join(folder, name, 'run.json'), 'utf8')) as RunInfo;
  const plansOf = (events: readonly TrainEvent[]): PlanEvent[] =>
    events.filter((event): event is PlanEvent => event.event === 'plan');
  const trained = (events: readonly TrainEvent[], phase: Phase): number =>
    events.filter((event) => event.event === 'epoch' && event.phase === phase).length;

  /** A time that holds some epochs of every phase, whatever else this machine does. */
  let minutes: number;

  beforeAll(async () => {
    const refused = await collect(train(configured('short', 0.001))).catch((error: unknown) => error as Error);
    expect(refused).toMatchObject({ code: 'ERR_ARG' });
    const [, least, rest] = /^Expected at least (\d+\.\d) for minutes, (.*)$/.exec((refused as Error).message)!;
    expect(rest).toMatch(/ vgg7 at width 0.25 on the \d+ images of shapes, but received 0.001; fewer images \(/);
    expect(existsSync(join(folder, 'short'))).toBe(false);
    minutes = Math.max(0.25, 2.5 * Number(least));
  }, patient);

  test(
    'measures, says what it chose, writes it down and ends in time',
    async () => {
      const events = await collect(train(configured('whole', minutes)));
      expect(events.slice(0, 2).map(({ event }) => event)).toEqual(['start', 'plan']);
      const [plan] = plansOf(events);
      const { event: _event, ...written } = plan!;
      expect(info('whole').plan).toEqual(written);
      const keys = ['minutes', 'width', 'precision', 'batch', 'epochs', 'imagesPerSecond', 'seconds'];
      expect(Object.keys(written)).toEqual(keys);
      expect([0.25, 0.5, 1, 2]).toContain(plan!.width);
      // Which of the two is faster depends on the processor.
      expect(info('whole').precision).toBe(plan!.precision);
      expect(events[0]).toMatchObject({ precision: plan!.precision });
      // Some 115 images are left to train: four batches of 32 are too few for an epoch.
      expect(plan!.batch).toBe(16);
      const { config } = info('whole');
      expect(config).toMatchObject({ minutes, model: { width: plan!.width }, ann: { batch: 16 } });
      expect(config.ann.optimizer.learningRate).toBeCloseTo(0.25 / 16);
      expect(config.binary.optimizer.neuronLearningRate).toBeCloseTo(0.025 / 16);
      for (const phase of ['ann', 'binary', 'snn'] as const) {
        expect(config[phase].epochs).toBe(trained(events, phase));
        expect(config[phase].epochs).toBeGreaterThanOrEqual(1);
      }
      // Other tests take the processor away for moments, after the last epoch too: this is wider than the promise.
      const { seconds } = events.at(-1) as DoneEvent;
      expect(seconds).toBeGreaterThan(60 * minutes * 0.7);
      expect(seconds).toBeLessThan(60 * minutes * 1.5);
    },
    patient,
  );

  test(
    'of a network with a code has no binary phase',
    async () => {
      const events = await collect(train({ ...(configured('coded', minutes) as object), preset: 'vgg7-radix' }));
      const [plan] = plansOf(events);
      expect(plan!.imagesPerSecond.binary).toBe(0);
      expect(trained(events, 'ann')).toBe(info('coded').config.ann.epochs);
      expect(trained(events, 'binary')).toBe(0);
      expect(trained(events, 'snn')).toBe(info('coded').config.snn.epochs);
      expect(events.at(-1)).toMatchObject({ event: 'done', binary: { testAccuracy: null } });
    },
    patient,
  );

  test(
    'that falls behind makes fewer epochs and lists the change; resumed, it goes on with what was chosen',
    async () => {
      const seen: TrainEvent[] = [];
      for await (const event of train(configured('slow', minutes))) {
        seen.push(event);
        if (event.event === 'epoch' && event.epoch === 1) await setTimeout(20_000 * minutes);
        if (plansOf(seen).length === 2) break;
      }
      const [first, second] = plansOf(seen);
      const stopped = info('slow');
      expect(stopped.changes).toHaveLength(1);
      let fewer = 0;
      for (const phase of ['ann', 'binary', 'snn'] as const) {
        const [from, to] = [first!.epochs[phase], second!.epochs[phase]];
        fewer += from - to;
        expect(stopped.config[phase].epochs).toBe(to);
        expect(stopped.changes![0]!.set[`${phase}.epochs`]).toEqual(from === to ? undefined : { from, to });
      }
      expect(fewer).toBeGreaterThan(0);
      const rest = await collect(resume(join(folder, 'slow')));
      expect(plansOf(rest)).toEqual([]);
      const all = [...seen, ...rest];
      for (const phase of ['ann', 'binary', 'snn'] as const) expect(trained(all, phase)).toBe(second!.epochs[phase]);
    },
    patient,
  );

  test(
    'that was left while it trains resumes with its plan',
    async () => {
      await leaveIn(train(configured('left', minutes), { progressSeconds: 0 }), 'ann');
      const { config, plan } = info('left');
      const rest = await collect(resume(join(folder, 'left')));
      expect(trained(rest, 'ann')).toBe(plan!.epochs.ann);
      expect(info('left').config).toEqual(config);
    },
    patient,
  );
});
