// The parts of bench:compare: which timings a case needs, medians and working sets, and the judgement of targets.
import { inModule } from '../helpers/module';

const options = {
  models: ['vgg16'],
  cases: [],
  without: [],
  opponent: [],
  batch: 64,
  timesteps: 5,
  activity: 0.12,
  threads: 2,
  iterations: 3,
  run: undefined,
};
const comparisons = (changes: object, network: unknown = null): any[] =>
  inModule('bench/compare/cases.mjs', ['comparisonsOf'], 'return comparisonsOf(input.options, input.network);', {
    options: { ...options, ...changes },
    network,
  });

test('each case compares what it says', () => {
  const pairs = (name: string): string[] =>
    comparisons({ cases: [name] }).map(({ ours, other }) =>
      [ours, other]
        .map(({ program, mode, timesteps, threads, precision, activity, batch }) =>
          [
            program,
            mode,
            timesteps === 5 ? '' : timesteps,
            threads === 2 ? '' : threads,
            precision ?? '',
            activity === 0.12 ? '' : activity,
            batch === 64 ? '' : batch,
          ]
            .filter((word) => word !== '')
            .join(' '),
        )
        .join(' | '),
    );
  expect(pairs('infer')).toEqual(['onespike infer | pytorch infer', 'onespike infer | onnxruntime ann-infer']);
  expect(pairs('train')).toEqual(['onespike train | pytorch train']);
  expect(pairs('mixed')).toEqual(['onespike train mixed | pytorch train']);
  expect(pairs('ann-train')).toEqual(['onespike ann-train | pytorch-ann train']);
  expect(pairs('ann-mixed')).toEqual(['onespike ann-train mixed | pytorch-ann train mixed']);
  expect(pairs('ann-infer')).toEqual([
    'onespike ann-infer | pytorch-ann infer',
    'onespike ann-infer | onnxruntime ann-infer',
  ]);
  expect(pairs('steps')).toEqual(['onespike infer 20 | onespike infer', 'onespike train 20 | onespike train']);
  expect(pairs('threads')).toEqual(['onespike infer | onespike infer 1', 'onespike train | onespike train 1']);
  expect(pairs('activity')).toEqual(['onespike infer 0.06 | pytorch infer 0.06']);
  expect(pairs('latency')).toEqual([
    'onespike infer 1 | onnxruntime ann-infer 1',
    'onespike infer 1 | pytorch infer 1',
  ]);
});

test('a trained network meets PyTorch on a network of its shape', () => {
  const [run] = comparisons(
    { cases: ['run'], run: 'runs/x' },
    { name: 'vgg6', timesteps: 4, layers: [{ type: 'linear', out: 3, output: true }] },
  );
  expect(run).toMatchObject({
    name: 'run',
    ours: { program: 'onespike', run: 'runs/x', timesteps: 4, mode: 'train' },
    other: { program: 'pytorch', layers: [{ out: 3 }], timesteps: 4, mode: 'train' },
  });
});

test('what several rows need is timed once', () => {
  const count = inModule(
    'bench/compare/cases.mjs',
    ['comparisonsOf', 'timingsOf'],
    'return timingsOf(comparisonsOf(input)).length;',
    { ...options, cases: ['infer', 'train', 'mixed', 'threads'] },
  );
  // Of onespike: infer, train, mixed and two with one thread; of PyTorch: infer and train; of onnxruntime: one.
  expect(count).toBe(8);
});

test('medians, spread and working sets', () => {
  const rounds = [8, 10, 30].map((imagesPerSecond) => ({
    imagesPerSecond,
    batch: 5,
    peakRss: 1000,
    spikesPerNeuron: [0.1, 0.3],
    meanSpikesPerNeuron: 0.15,
  }));
  const needed = { parameterBytes: 100, gradientBytes: 20, optimizerBytes: 3 };
  const summary = inModule<any>('bench/compare/rows.mjs', ['summary'], 'return summary(input.rounds, input.needed);', {
    rounds,
    needed,
  });
  expect(summary).toEqual({
    imagesPerSecond: 10,
    milliseconds: 500,
    spread: 2.2,
    spikesPerNeuron: 0.15,
    peakRss: 1000,
    runtimeRss: null,
    workingSet: 877,
    rounds: 3,
  });
  expect(
    inModule(
      'bench/compare/rows.mjs',
      ['median'],
      'return [median([]), median([3]), median([4, 1]), median([9, 1, 2])];',
    ),
  ).toEqual([null, 3, 2.5, 2]);
});

test('targets are judged by their side of the limit', () => {
  const row = (name: string, program: string, mode: string, ratio: number, memory = 0.1): object => ({
    name,
    model: 'vgg16',
    ours: { timing: { mode } },
    other: { timing: { program } },
    ratio,
    memory,
  });
  const rows = [
    row('infer', 'pytorch', 'infer', 20),
    row('infer', 'onnxruntime', 'infer', 2.4),
    row('train', 'pytorch', 'train', 5.1, 0.2),
    row('steps', 'onespike', 'train', 0.5, 1.4),
    row('threads', 'onespike', 'train', 1.8),
    row('activity', 'pytorch', 'infer', 31),
    row('latency', 'onnxruntime', 'infer', 1.1),
    row('run', 'pytorch', 'train', 9),
  ];
  const judged = inModule<any[]>('bench/compare/targets.mjs', ['judge'], "return judge(input, ['vgg16']);", rows);
  const verdicts = Object.fromEntries(judged.map(({ what, value, reached }) => [what, [value, reached]]));
  expect(verdicts).toMatchObject({
    'inference / PyTorch': [20, true],
    "inference / onnxruntime's ANN": [2.4, false],
    'training / PyTorch': [5.1, true],
    'mixed training / PyTorch in fp32': [null, null],
    'working set of inference / PyTorch': [0.1, true],
    'working set of training / PyTorch': [0.2, false],
    'time of 4 T steps / T, training': [2, true],
    'time of 4 T steps / T, inference': [null, null],
    'working set of 4 T steps / T, training': [1.4, true],
    'threads / 1 thread, training': [1.8, false],
    'inference / PyTorch at half the activity, over that at the whole': [1.55, true],
    "rate of single images / onnxruntime's ANN": [1.1, true],
    'training on a trained network / PyTorch': [9, true],
  });
  const other = inModule<any[]>('bench/compare/targets.mjs', ['judge'], "return judge([], ['vgg9']);");
  expect(other.find(({ what }) => what === 'inference / PyTorch')).toMatchObject({
    model: 'vgg9',
    wanted: 15,
    value: null,
    reached: null,
  });
});
