// Studies: what a file may hold, which trials follow, and how they are compared.
import { divide } from '../../lib/cluster/division';
import { accuracyPicture } from '../../lib/cluster/picture';
import { rank, spreadOf, trialsOfStage, type TrialResult } from '../../lib/cluster/ranking';
import { parseStudy, type Study } from '../../lib/cluster/study';
import { tableRows } from '../../lib/cluster/table';
import { markdown } from '../../lib/io/text/markdown';
import { checkTrials, stageEpochs, trialConfig, trialsOf } from '../../lib/cluster/trials';

const rates = [0.1, 0.01];
const halving = { epochs: 2, factor: 2, stages: 3 };
const study = (parts: object): Study => parseStudy(parts, 'dir/my study.json');
const refused = (parts: unknown, message: RegExp): void =>
  expect(() => {
    const parsed = parseStudy(parts);
    checkTrials(parsed, trialsOf(parsed));
  }).toThrow(expect.objectContaining({ code: 'ERR_ARG', message: expect.stringMatching(message) }));

describe('a study file', () => {
  test('names itself after its file, and begins with one seed', () => {
    expect(study({ parameters: {} })).toEqual({
      name: 'my-study',
      config: {},
      method: 'grid',
      parameters: {},
      seeds: [1],
      drawSeed: 1,
    });
    const whole = study({
      method: 'halving',
      parameters: { 'ann.batch': [1, 2] },
      trials: 3,
      halving: { epochs: 1, stages: 2 },
    });
    expect(whole.halving).toEqual({ epochs: 1, factor: 2, stages: 2 });
    // What study.json holds is the same study.
    expect(JSON.stringify(parseStudy(JSON.parse(JSON.stringify(whole))))).toBe(JSON.stringify(whole));
  });

  test('may name its candidates, each with a part of a configuration of its own', () => {
    const arms = { plain: {}, 'small batch': { ann: { batch: 8 }, snn: { batch: 8 } } };
    const parsed = study({ method: 'arms', arms, config: { ann: { batch: 32, epochs: 3 } }, seeds: [4, 5] });
    expect(JSON.stringify(parseStudy(JSON.parse(JSON.stringify(parsed))))).toBe(JSON.stringify(parsed));
    const trials = trialsOf(parsed);
    expect(trials.map(({ trial, candidate, seed, parameters }) => [trial, candidate, seed, parameters])).toEqual([
      [1, 1, 4, { arm: 'plain' }],
      [2, 1, 5, { arm: 'plain' }],
      [3, 2, 4, { arm: 'small batch' }],
      [4, 2, 5, { arm: 'small batch' }],
    ]);
    const configs = trials.map((trial) => trialConfig(parsed, trial));
    expect(configs.map(({ ann, snn, seed }) => [ann.epochs, ann.batch, snn.batch, seed])).toEqual([
      [3, 32, 32, 4],
      [3, 32, 32, 5],
      [3, 8, 8, 4],
      [3, 8, 8, 5],
    ]);
  });

  test.each<[unknown, RegExp]>([
    [{ method: 'arms' }, /at least one name and its part of a configuration for arms but received undefined/],
    [{ method: 'arms', arms: {} }, /at least one name and its part of a configuration for arms/],
    [{ method: 'arms', arms: { a: 5 } }, /a part of a configuration \(an object\) for arms\.a but received 5/],
    [{ method: 'arms', arms: { a: { seed: 3 } } }, /no 'seed' in a study/],
    [{ method: 'arms', arms: { a: { ann: { bach: 3 } } } }, /unknown key 'bach' .*\(trial 1: arm="a"\)/],
    [{ method: 'arms', arms: { a: {} }, parameters: { 'ann.batch': [8] } }, /no keys beside arms/],
    [{ method: 'arms', arms: { a: {} }, trials: 2 }, /no number of trials for arms/],
    [{ method: 'arms', arms: { a: {} }, halving }, /no stages for arms/],
    [{ arms: { a: {} }, parameters: { 'ann.batch': [8] } }, /no arms for grid/],
    [5, /Expected an object for the study but received 5/],
    [{}, /an object of keys and their values for parameters but received undefined/],
    [{ parameters: {}, parameter: {} }, /unknown key 'parameter' \(did you mean 'parameters'\?\)/],
    [{ parameters: {}, name: 'a/b' }, /letters, digits, dots, dashes and underscores for name but received 'a\/b'/],
    [{ parameters: {}, method: 'gird' }, /for method but received 'gird' \(did you mean 'grid'\?\)/],
    [{ parameters: {}, seeds: [] }, /a non-empty list of seeds for seeds/],
    [{ parameters: {}, seeds: [0.5] }, /for seeds\[0\] but received 0\.5/],
    [{ parameters: { 'ann.batch': [] } }, /at least one value for parameters\["ann\.batch"\]/],
    [{ parameters: { 'ann.batch': [8, 8] } }, /different values for parameters\["ann\.batch"\]/],
    [{ parameters: { 'ann.batch': 8 } }, /a list of values, or a range for parameters\.ann\.batch but received 8/],
    [{ parameters: { 'ann.batch': { min: 1, max: 2 } } }, /a list of values \(ranges are for random and halving\)/],
    [{ parameters: { 'ann.bach': [8] } }, /for ann but received the unknown key 'bach' .*\(trial 1: ann\.bach=8\)/],
    [{ parameters: { 'ann.batch': [8, 0.5] } }, /for ann\.batch but received 0\.5 \(trial 2: ann\.batch=0\.5\)/],
    [{ parameters: { seed: [1] } }, /no 'seed' in a study .* "seeds" lists them/],
    [{ parameters: {}, config: { out: 'x' } }, /no 'out' in a study/],
    [{ parameters: {}, config: { threads: 2 } }, /no 'threads' in a study/],
    [{ parameters: { minutes: [1, 2] } }, /no 'minutes' in a study/],
    [{ parameters: { ann: [{}], 'ann.batch': [8] } }, /no 'ann\.batch' beside 'ann', which contains it/],
    [{ parameters: { 'ann.batch': [8] }, trials: 3 }, /no number of trials for grid/],
    [{ parameters: { 'ann.batch': [8] }, method: 'random' }, /the number of candidates of random for trials/],
    [{ parameters: {}, method: 'random', trials: 2 }, /at least one key for parameters of random/],
    [
      { parameters: { 'ann.batch': [8] }, method: 'halving', trials: 2 },
      /its stages .* for halving but received undefined/,
    ],
    [{ parameters: { 'ann.batch': [8] }, method: 'random', trials: 2, halving }, /no stages for random/],
    [
      { parameters: { x: { min: 1, max: 1 } }, method: 'random', trials: 2 },
      /above min \(1\) for parameters\["x"\]\.max/,
    ],
    [
      { parameters: { x: { min: 0, max: 1, scale: 'log' } }, method: 'random', trials: 2 },
      /above 0 \(the scale is logarithmic\) for parameters\["x"\]\.min but received 0/,
    ],
    [{ parameters: { 'snn.epochs': [3] }, method: 'halving', trials: 2, halving }, /no snn\.epochs beside halving/],
    [
      { parameters: { 'ann.batch': [3] }, config: { snn: { patience: 2 } }, method: 'halving', trials: 2, halving },
      /no snn\.patience beside halving/,
    ],
    [{ parameters: {}, config: { dataset: { validation: 0 } } }, /dataset\.validation above 0/],
  ])('%j is refused by name', refused);
});

describe('trials', () => {
  test('of a grid are all combinations, the last key fastest, each with every seed', () => {
    const trials = trialsOf(study({ parameters: { 'ann.batch': [8, 16], 'snn.batch': [1, 2, 3] }, seeds: [5, 6] }));
    expect(trials).toHaveLength(12);
    expect(trials.slice(0, 3)).toEqual([
      { trial: 1, candidate: 1, seed: 5, parameters: { 'ann.batch': 8, 'snn.batch': 1 } },
      { trial: 2, candidate: 1, seed: 6, parameters: { 'ann.batch': 8, 'snn.batch': 1 } },
      { trial: 3, candidate: 2, seed: 5, parameters: { 'ann.batch': 8, 'snn.batch': 2 } },
    ]);
    expect(trials[11]).toEqual({ trial: 12, candidate: 6, seed: 6, parameters: { 'ann.batch': 16, 'snn.batch': 3 } });
  });

  test('at random lie in their ranges, are the same every time, and more begin with the same', () => {
    const parameters = {
      'ann.optimizer.learningRate': { min: 1e-4, max: 1, scale: 'log' },
      'ann.batch': { min: 4, max: 7, integer: true },
      'model.surrogate': ['arctan', 'triangle'],
    };
    const drawn = (trials: number, drawSeed = 1) =>
      trialsOf(study({ method: 'random', parameters, trials, drawSeed })).map((trial) => trial.parameters);
    const many = drawn(400);
    expect(drawn(10)).toEqual(many.slice(0, 10));
    expect(drawn(10, 2)).not.toEqual(drawn(10));
    const rate = many.map((values) => values['ann.optimizer.learningRate'] as number);
    expect(Math.min(...rate)).toBeGreaterThanOrEqual(1e-4);
    expect(Math.max(...rate)).toBeLessThanOrEqual(1);
    // Half of the logarithms lie below the middle one: 200 with a standard deviation of 10.
    expect(Math.abs(rate.filter((value) => value < 0.01).length - 200)).toBeLessThan(40);
    expect(new Set(many.map((values) => values['ann.batch']))).toEqual(new Set([4, 5, 6, 7]));
    expect(new Set(many.map((values) => values['model.surrogate']))).toEqual(new Set(['arctan', 'triangle']));
  });

  test('are configurations with their values, their seed and the epochs of their stage', () => {
    const parsed = study({
      config: { preset: 'vgg9' },
      parameters: { 'ann.batch': [8] },
      method: 'halving',
      trials: 1,
      seeds: [7],
      halving,
    });
    const [trial] = trialsOf(parsed);
    expect(trialConfig(parsed, trial!)).toMatchObject({
      preset: 'vgg9',
      seed: 7,
      ann: { batch: 8 },
      snn: { epochs: 2 },
    });
    expect(trialConfig(parsed, trial!, 2).snn.epochs).toBe(8);
    expect([0, 1, 2].map((stage) => stageEpochs({ epochs: 1, factor: 3 }, stage))).toEqual([1, 3, 9]);
  });
});

/** Results of a stage: candidate c with seed s has this accuracy, null where it diverged. */
function resultsOf(accuracies: (number | null)[][], stage = 0): TrialResult[] {
  return accuracies.flatMap((seeds, c) =>
    seeds.map((validationAccuracy, s) => ({
      trial: c * seeds.length + s + 1,
      candidate: c + 1,
      seed: s + 1,
      parameters: { 'ann.batch': c + 1 },
      stage,
      status: validationAccuracy === null ? 'diverged' : 'done',
      validationAccuracy,
      testAccuracy: validationAccuracy,
      spikesPerNeuron: 0.25,
      energyRatio: 20,
      seconds: 1,
      run: `trials/${c}`,
    })),
  );
}

describe('ranking', () => {
  test('mean and standard deviation of a sample', () => {
    expect(spreadOf([])).toBeNull();
    expect(spreadOf([0.5])).toEqual({ mean: 0.5, deviation: 0 });
    expect(spreadOf([1, 2, 3, 4])).toEqual({ mean: 2.5, deviation: Math.sqrt(5 / 3) });
  });

  test('the best first: further stages, then trials that ended well, then accuracy, then order', () => {
    const first = resultsOf([
      [0.5, 0.5],
      [0.9, null],
      [0.7, 0.7],
      [0.5, 0.5],
      [0.4, 0.4],
    ]);
    const second = resultsOf(
      [[], [], [], [], [0.3, 0.3]].map((seeds) => seeds as number[]),
      1,
    ).map((result, i) => ({
      ...result,
      trial: 9 + i,
    }));
    const ranked = rank([...first, ...second]);
    expect(ranked.map(({ candidate }) => candidate)).toEqual([5, 3, 1, 4, 2]);
    expect(ranked.map(({ rank }) => rank)).toEqual([1, 2, 3, 4, 5]);
    expect(ranked[0]).toMatchObject({ stage: 1, done: 2, ended: 2, validationAccuracy: { mean: 0.3, deviation: 0 } });
    expect(ranked[4]).toMatchObject({ done: 1, ended: 2, validationAccuracy: { mean: 0.9, deviation: 0 } });
    expect(tableRows(ranked)[5]).toEqual(['5', '2', '1 of 2', '90.00 ± 0.00 %', '90.00 ± 0.00 %', '0.250', '20.0']);
    expect(markdown(tableRows(ranked)).split('\n')[0]).toBe(
      '|  | ann.batch | trials | validation | test | spikes/neuron | ANN / SNN |',
    );
  });

  test('of each stage the best half goes on, with all its seeds, when all have ended', () => {
    const parsed = study({
      method: 'halving',
      parameters: { 'ann.batch': [1, 2, 3, 4, 5] },
      trials: 5,
      seeds: [1, 2],
      halving,
    });
    const trials = trialsOf(parsed);
    const first = resultsOf([
      [0.5, 0.5],
      [0.9, null],
      [0.7, 0.7],
      [0.1, 0.2],
      [0.6, 0.6],
    ]);
    expect(trialsOfStage(parsed, trials, [], 0)).toEqual(trials);
    expect(trialsOfStage(parsed, trials, first.slice(1), 1)).toBeUndefined();
    const second = trialsOfStage(parsed, trials, first, 1)!;
    expect(second.map(({ trial }) => trial)).toEqual([5, 6, 9, 10]);
    expect(trialsOfStage(parsed, trials, first, 2)).toBeUndefined();
    const ended = first
      .filter(({ trial }) => second.some((going) => going.trial === trial))
      .map((result) => ({ ...result, stage: 1 }));
    expect(trialsOfStage(parsed, trials, [...first, ...ended], 2)!.map(({ trial }) => trial)).toEqual([5, 6]);
  });
});

describe('division', () => {
  const cpu = { devices: [], device: null, hardwareThreads: 8 };
  const gpu = (device: number, reason = '') => ({ device, reason, usable: device === 0 }) as never;
  const gpus = { devices: [gpu(0), gpu(1), gpu(2, 'too old')], device: 0, hardwareThreads: 16 };

  test.each([
    [{ trials: 12, backend: 'cpu' }, cpu, [1, 1, 1, 1, 1, 1, 1, 1]],
    [{ trials: 12, maxParallel: 3, backend: 'auto' }, cpu, [3, 3, 2]],
    [{ trials: 2, backend: 'cpu' }, cpu, [4, 4]],
    [{ trials: 12, maxParallel: 4, threads: 2, backend: 'cpu' }, cpu, [1, 1, 1, 1]],
    [{ trials: 12, backend: 'cpu' }, gpus, new Array(12).fill(1).map((_, i) => (i < 4 ? 2 : 1))],
  ])('%j', (given, info, threads) => {
    expect(divide(given, info)).toEqual(threads.map((count) => ({ threads: count, device: null })));
  });

  test('a process for each usable GPU, or several in turn', () => {
    expect(divide({ trials: 12, backend: 'auto' }, gpus)).toEqual([
      { threads: 8, device: 0 },
      { threads: 8, device: 1 },
    ]);
    const devices = divide({ trials: 12, maxParallel: 5, backend: 'cuda' }, gpus).map(({ device }) => device);
    expect(devices).toEqual([0, 1, 0, 1, 0]);
  });
});

describe('picture', () => {
  const places = (svg: string): [number, number][] =>
    [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [Number(x), Number(y)]);

  test('a point for every trial that is done, higher where it is better', () => {
    const parsed = study({ parameters: { 'ann.batch': [1, 2, 3] } });
    const svg = accuracyPicture(parsed, resultsOf([[0.5], [0.75], [null], [0.6]]));
    const points = places(svg);
    expect(points).toHaveLength(3);
    expect(points[0]![0]).toBeLessThan(points[1]![0]);
    expect(points[1]![1]).toBeLessThan(points[2]![1]);
    expect(points[2]![1]).toBeLessThan(points[0]![1]);
    expect(svg).toContain('>ann.batch</text>');
  });

  test('candidates with names have a row each, further to the right where it is better', () => {
    const parsed = study({ method: 'arms', arms: { plain: {}, 'a<b': {} } });
    const of = (arm: string, accuracy: number): TrialResult => ({
      ...resultsOf([[accuracy]])[0]!,
      parameters: { arm },
    });
    const svg = accuracyPicture(parsed, [of('plain', 0.5), of('a<b', 0.6), of('a<b', 0.7)]);
    const [plain, other, better] = places(svg);
    expect(plain![0]).toBeLessThan(other![0]);
    expect(other![0]).toBeLessThan(better![0]);
    expect([plain![1] < other![1], other![1] === better![1]]).toEqual([true, true]);
    expect(svg).toContain('>plain</text>');
    expect(svg).toContain('>a&lt;b</text>');
  });

  test('wide ranges are logarithmic, names lie side by side, and text is escaped', () => {
    const parsed = study({ parameters: { 'ann.optimizer.learningRate': rates, 'model.surrogate': ['a<b', 'c'] } });
    const at = (rate: number, name: string): TrialResult => ({
      ...resultsOf([[0.5]])[0]!,
      parameters: { 'ann.optimizer.learningRate': rate, 'model.surrogate': name },
    });
    const svg = accuracyPicture(parsed, [at(1e-4, 'a<b'), at(1e-2, 'c'), at(1, 'c')]);
    const [low, middle, high, first, second, third] = places(svg).map(([x]) => x);
    expect(middle! - low!).toBeCloseTo(high! - middle!, 0);
    expect(first!).toBeLessThan(second!);
    expect(second).toBe(third);
    expect(svg).toContain('a&lt;b');
    expect(places(accuracyPicture(parsed, []))).toEqual([]);
  });
});
