import { augmentSeed, batchCount, batchRows, calibrationIndices, epochOrder } from '../../lib/train/rows/order';
import { learningRateFactor, type Schedule } from '../../lib/train/config/schedule';
import { activityWarnings, layerActivity, meanActivity } from '../../lib/train/run/activity';
import { resolveConfig } from '../../lib/train/config/config';
import type { EpochEvent } from '../../lib/train/run/events';
import {
  afterEpoch,
  afterSteps,
  atStart,
  emptySums,
  initialState,
  isBetter,
  next,
  type Stage,
} from '../../lib/train/run/state';

const schedule = (parts: Partial<Schedule>): Schedule => ({
  kind: 'constant',
  warmup: 0,
  milestones: [],
  factor: 0.1,
  final: 0,
  peak: 0.25,
  ...parts,
});

describe('learning rate', () => {
  test('constant stays', () => {
    for (let step = 0; step < 40; step++) expect(learningRateFactor(schedule({}), step, 10, 4)).toBe(1);
  });

  test('warm-up rises by equal parts and never starts at zero', () => {
    const rates = [0, 1, 2, 3, 4].map((step) => learningRateFactor(schedule({ warmup: 0.4 }), step, 10, 4));
    [0.2, 0.4, 0.6, 0.8, 1].forEach((rate, i) => expect(rates[i]).toBeCloseTo(rate, 12));
  });

  test('cosine goes from full over half to final', () => {
    const cosine = schedule({ kind: 'cosine', final: 0.1 });
    expect(learningRateFactor(cosine, 0, 10, 10)).toBe(1);
    expect(learningRateFactor(cosine, 50, 10, 10)).toBeCloseTo(0.55, 12);
    expect(learningRateFactor(cosine, 99, 10, 10)).toBeGreaterThan(0.1);
    expect(learningRateFactor(cosine, 99, 10, 10)).toBeLessThan(0.101);
  });

  test('cosine begins after warm-up, without a jump', () => {
    const cosine = schedule({ kind: 'cosine', warmup: 1 });
    const rates = Array.from({ length: 40 }, (_, step) => learningRateFactor(cosine, step, 10, 4));
    expect(rates[10]).toBe(1);
    for (let step = 1; step < 40; step++) expect(Math.abs(rates[step]! - rates[step - 1]!)).toBeLessThan(0.11);
  });

  test('steps multiply at their shares', () => {
    const steps = schedule({ kind: 'step', milestones: [0.5, 0.75] });
    const rates = [0, 19, 20, 29, 30, 39].map((step) => learningRateFactor(steps, step, 10, 4));
    [1, 1, 0.1, 0.1, 0.01, 0.01].forEach((rate, i) => expect(rates[i]).toBeCloseTo(rate, 12));
  });

  // Four steps an epoch, four epochs.
  test.each([
    [
      'triangular, the peak after a quarter',
      { kind: 'triangular', final: 0.25 },
      [0.2, 0.4, 0.6, 0.8, 1, 0.9375, 0.875, 0.8125, 0.75, 0.6875, 0.625, 0.5625, 0.5, 0.4375, 0.375, 0.3125],
    ],
    [
      'triangular, the peak in the middle, down to nothing',
      { kind: 'triangular', peak: 0.5 },
      [1 / 9, 2 / 9, 3 / 9, 4 / 9, 5 / 9, 6 / 9, 7 / 9, 8 / 9, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125],
    ],
    [
      'triangular, falling alone; warm-up is no part of it',
      { kind: 'triangular', peak: 0, warmup: 2 },
      [16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1].map((sixteenths) => sixteenths / 16),
    ],
    [
      'triangular, rising alone',
      { kind: 'triangular', peak: 1 },
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16].map((parts) => parts / 17),
    ],
    [
      'cosine with a warm-up of one epoch',
      { kind: 'cosine', warmup: 1, final: 0.1 },
      [
        0.2, 0.4, 0.6, 0.8, 1, 0.984667, 0.939711, 0.868198, 0.775, 0.666469, 0.55, 0.433531, 0.325, 0.231802, 0.160289,
        0.115333,
      ],
    ],
    [
      'step with a warm-up of one epoch',
      { kind: 'step', warmup: 1, milestones: [0.5, 0.75], factor: 0.5 },
      [0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25],
    ],
  ] as const)('step by step: %s', (_name, parts, table) => {
    table.forEach((rate, step) =>
      expect([step, learningRateFactor(schedule(parts as Partial<Schedule>), step, 4, 4)]).toEqual([
        step,
        expect.closeTo(rate, 6),
      ]),
    );
  });

  test('a warm-up longer than the phase does no harm', () => {
    for (const kind of ['constant', 'step', 'cosine', 'triangular'] as const) {
      const rate = learningRateFactor(schedule({ kind, warmup: 99 }), 9, 10, 1);
      expect(rate).toBeGreaterThan(0);
      expect(rate).toBeLessThanOrEqual(1);
    }
  });
});

describe('order', () => {
  const rows = Uint32Array.from({ length: 100 }, (_, i) => i * 3);

  test('is a permutation that depends on seed, phase and epoch alone', () => {
    const order = epochOrder(rows, 7, 'snn', 2);
    expect([...order].sort((a, b) => a - b)).toEqual([...rows]);
    expect(epochOrder(rows, 7, 'snn', 2)).toEqual(order);
    for (const other of [epochOrder(rows, 8, 'snn', 2), epochOrder(rows, 7, 'ann', 2), epochOrder(rows, 7, 'snn', 3)])
      expect(other).not.toEqual(order);
    expect(rows[1]).toBe(3);
  });

  test('augmentation seeds are safe integers and differ by phase', () => {
    for (const seed of [0, 1, Number.MAX_SAFE_INTEGER]) {
      expect(Number.isSafeInteger(augmentSeed(seed, 'ann'))).toBe(true);
      expect(augmentSeed(seed, 'ann')).not.toBe(augmentSeed(seed, 'snn'));
    }
  });

  test('calibration takes as many as asked, or all', () => {
    expect(calibrationIndices(rows, 1, 10)).toHaveLength(10);
    expect(calibrationIndices(rows, 1, 1000)).toHaveLength(100);
  });

  test('batches cover every row once', () => {
    expect(batchCount(100, 32)).toBe(4);
    const seen = Array.from({ length: 4 }, (_, step) => [...batchRows(rows, step, 32)]).flat();
    expect(seen).toEqual([...rows]);
  });
});

describe('state', () => {
  test('a better epoch has the higher accuracy, then the lower loss', () => {
    const best = { epoch: 1, accuracy: 0.5, loss: 1, excess: 0, file: 'x' };
    const scored = (validationAccuracy: number | null, validationLoss: number | null) => ({
      ...{ validationAccuracy, validationLoss, excess: 0 },
    });
    expect(isBetter(scored(0.6, 2), best)).toBe(true);
    expect(isBetter(scored(0.5, 0.9), best)).toBe(true);
    expect(isBetter(scored(0.5, 1), best)).toBe(false);
    expect(isBetter(scored(0.4, 0), best)).toBe(false);
    expect(isBetter(scored(0, 9), null)).toBe(true);
    expect(isBetter(scored(null, null), best)).toBe(true);
    // Twice the target counts as ten points of accuracy.
    expect(isBetter({ ...scored(0.59, 0), excess: 1 }, best)).toBe(false);
    expect(isBetter({ ...scored(0.61, 9), excess: 1 }, best)).toBe(true);
    expect(isBetter(scored(0.46, 9), { ...best, excess: 0.5 })).toBe(true);
    expect(isBetter({ ...scored(0.4, 0), excess: 3 }, { ...best, excess: 4.1 })).toBe(true);
  });

  test.each([
    ['everything', 20, true, 20, ['ann', 'binary', 'convert', 'snn', 'finish']],
    ['no ANN', 0, true, 20, ['convert', 'snn', 'finish']],
    ['no conversion', 20, false, 20, ['ann', 'snn', 'finish']],
    ['spiking from scratch', 0, false, 20, ['snn', 'finish']],
    ['conversion alone', 20, true, 0, ['ann', 'binary', 'convert', 'finish']],
    ['ANN alone', 20, false, 0, ['ann', 'finish']],
  ])('the stages of a configuration: %s', (_name, ann, enabled, snn, stages) => {
    const config = resolveConfig({ ann: { epochs: ann }, convert: { enabled }, snn: { epochs: snn } });
    const visited: Stage[] = [];
    for (let stage = next(null, config); stage !== null; stage = next(stage, config)) visited.push(stage);
    expect(visited).toEqual(stages);
  });

  test('steps, epochs and stages give a new state and leave the old one as it was', () => {
    const start = initialState('ann', 1);
    const before = structuredClone(start);
    const stats = {
      loss: 2,
      correct: 3,
      count: 4,
      spikes: Float64Array.of(5),
      gradientNorm: 1,
      badLayer: null,
      seconds: 1,
    };
    const trained = afterSteps(start, [stats, { ...stats, loss: 4, count: 2 }], { seconds: 0.5, cpuSeconds: 0.75 });
    const more = afterSteps(trained, [stats], { seconds: 0.25, cpuSeconds: 0.5 });
    expect(more.sums).toMatchObject({ count: 10, seconds: 0.75, cpuSeconds: 1.25 });
    expect(trained).toMatchObject({ step: 2, sums: { loss: 16, correct: 6, count: 6, spikes: [10], seconds: 0.5 } });
    const event = { phase: 'ann', epoch: 1, validationAccuracy: 0.5, validationLoss: 1, best: true } as EpochEvent;
    const ended = afterEpoch(trained, event, 100, { file: 'ann-best.safetensors', excess: 0 });
    expect(ended).toMatchObject({ epoch: 1, step: 0, metricsBytes: 100, sums: { count: 0, spikes: [0] } });
    expect(ended.best).toEqual({
      ann: { epoch: 1, accuracy: 0.5, loss: 1, excess: 0, file: 'ann-best.safetensors' },
      binary: null,
      snn: null,
    });
    expect(afterEpoch(ended, { ...event, epoch: 2, best: false }, 200, { file: 'x', excess: 0 }).best).toEqual(
      ended.best,
    );
    expect(atStart(ended, 'snn')).toMatchObject({ stage: 'snn', epoch: 0, step: 0, best: ended.best });
    expect(start).toEqual(before);
  });

  test('survives JSON', () => {
    const state = { ...initialState('ann', 2), sums: { ...emptySums(2), loss: 0.1 + 0.2 } };
    expect(JSON.parse(JSON.stringify(state))).toEqual(state);
  });

  test('activity is per neuron and image; the mean weighs layers by their neurons', () => {
    const layers = layerActivity(
      [
        { layer: 0, neurons: 100 },
        { layer: 2, neurons: 300 },
      ],
      [50, 300],
      10,
    );
    expect(layers).toEqual([
      { layer: 'layers.0', neurons: 100, spikesPerNeuron: 0.05 },
      { layer: 'layers.2', neurons: 300, spikesPerNeuron: 0.1 },
    ]);
    expect(meanActivity(layers)).toBeCloseTo(350 / 4000, 12);
    expect(meanActivity([])).toBe(0);
  });

  test('dead and saturated layers are named', () => {
    const layer = (spikesPerNeuron: number) => [{ layer: 'layers.3' as const, neurons: 10, spikesPerNeuron }];
    const warnings = (share: number, most = 1): object[] =>
      activityWarnings(layer(share), { phase: 'snn', epoch: 1, most }, resolveConfig());
    expect(warnings(0.0009)).toMatchObject([{ event: 'warning', code: 'DEAD_LAYER', layer: 'layers.3' }]);
    expect(warnings(0.951)).toMatchObject([{ event: 'warning', code: 'SATURATED_LAYER' }]);
    expect(warnings(0.001)).toEqual([]);
    expect(warnings(0.95)).toEqual([]);
    // Neurons that may send six spikes.
    expect(warnings(1.21, 6)).toEqual([]);
    expect(warnings(5.76, 6)).toMatchObject([
      { spikesPerNeuron: 5.76, message: expect.stringContaining('96.0 % of its possible spikes. ') },
    ]);
    expect(warnings(0.003, 6)).toMatchObject([
      { message: expect.stringContaining('0.050 % of its possible spikes fire. ') },
    ]);
  });

  test.each([
    ['a conversion', {}, 0, 'Lower convert.scale or convert.percentile, or choose a surrogate that reaches further'],
    [
      'no conversion',
      { convert: { enabled: false } },
      0,
      'Lower model.threshold, or raise snn.optimizer.neuronLearningRate.',
    ],
    [
      'no conversion, a narrow surrogate',
      { convert: { enabled: false }, model: { surrogate: 'triangle' } },
      0,
      'Lower model.threshold, or choose a surrogate that reaches further (model.surrogate=arctan), or raise snn.',
    ],
    [
      'layers of its own',
      { convert: { enabled: false }, model: { layers: [{ type: 'linear', out: 10, output: true }] } },
      0,
      'Lower the threshold of the layer, or raise',
    ],
    [
      'a model file',
      { convert: { enabled: false }, init: 'm.safetensors', model: { surrogate: 'arctan' } },
      0,
      'Raise snn.optimizer.neuron',
    ],
    ['conversion alone', { snn: { epochs: 0 } }, 0, 'Lower convert.scale or convert.percentile.'],
    ['a conversion', {}, 1, 'Raise convert.scale or convert.percentile, or lower snn.optimizer.learningRate.'],
    [
      'no conversion',
      { convert: { enabled: false } },
      1,
      'Raise model.threshold, or lower snn.optimizer.learningRate.',
    ],
  ])('the advice names what is switched on: %s', (_name, config, share, advice) => {
    const layers = [{ layer: 'layers.3' as const, neurons: 10, spikesPerNeuron: share }];
    const [warning] = activityWarnings(layers, { phase: 'snn', epoch: 1, most: 1 }, resolveConfig(config as object));
    expect(warning!.message).toContain(advice);
  });
});
