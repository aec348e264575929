// The addon itself, without the checks of lib/: wrong handles, arities and arrays, and arrays that change under a job.
import {
  loadNative,
  type NativeModule,
  type NativeOptimizer,
  type NativeSpec,
  type NativeStep,
  type NetworkHandle,
} from '../../binding';
import { detached, outcome, rawAddon, rawLoss, rawSgd, rawSimulation, simulated } from './helpers';

const { spec, size, classes } = rawAddon('tiny');
let native: NativeModule;
let network: NetworkHandle;
let genetic: NetworkHandle; // with weights that its genes can be fitted to
beforeAll(async () => {
  native = loadNative();
  network = await native.networkCreate(spec as NativeSpec);
  const dense = spec as NativeSpec;
  const layers = [dense.layers[0]!, ...dense.layers];
  genetic = await native.networkCreate({ ...dense, layers, genes: { count: 2 } });
  const data = new Float32Array(4 * 4 * 9).fill(1);
  await native.networkWrite(genetic, [{ kind: 'gradient', name: 'layers.1.weight', offset: 0, data }]);
});
afterAll(() => [network, genetic].forEach((each) => native.networkDispose(each)));

const batch = (): { pixels: Uint8Array; labels: Int32Array } => ({
  pixels: new Uint8Array(2 * size),
  labels: new Int32Array(2),
});
const part = () => ({ kind: 'parameter', name: 'layers.0.leak', offset: 0, data: new Float32Array(1) });
const calls: Record<string, () => unknown[] | Promise<unknown[]>> = {
  info: () => [],
  devices: () => [null],
  inputEncoding: () => [spec],
  networkCreate: () => [spec],
  processor: () => [],
  limitProcessor: () => [native.processor().targets[0], native.processor().bf16],
  networkTensors: () => [network],
  networkLayers: () => [network],
  networkStepsAtOnce: () => [network],
  networkMemory: () => [network],
  networkRecorded: () => [network],
  networkProfile: () => [network],
  networkSlots: () => [network],
  networkRead: () => [network, [part()]],
  networkWrite: () => [network, [part()]],
  networkCounters: () => [network],
  networkSetCounters: () => [network, { optimizerSteps: 0, randomStep: 0, activity: 0 }],
  networkResetOptimizer: () => [network],
  networkForward: () => [network, batch(), 'snn', {}],
  networkGradients: () => [network, batch(), 'snn', rawLoss],
  networkTrain: () => [network, [{ batch: batch(), optimizer: rawSgd }], null, 'snn', rawLoss, null],
  networkActivations: () => [network, batch(), 99],
  networkCalibrate: () => [network, batch(), 99, 1],
  networkFitGenes: () => [genetic, 2, 0.01],
  networkSimulate: () => [network, batch(), rawSimulation, simulated(2)],
  networkProgress: () => [network],
  networkAbort: () => [network],
  networkDispose: async () => [await native.networkCreate(spec as NativeSpec)],
  datasetCreate: () => [new Uint8Array(size), null, [2, 4, 4]],
  datasetDispose: () => [native.datasetCreate(new Uint8Array(size), null, [2, 4, 4])],
};
const invoke = (name: string, args: unknown[]): unknown =>
  (native as unknown as Record<string, (...all: unknown[]) => unknown>)[name]!(...args);
const names = Object.keys(calls);
const asynchronous = [
  'networkCreate',
  'networkRead',
  'networkWrite',
  'networkResetOptimizer',
  'networkForward',
  'networkGradients',
  'networkTrain',
  'networkActivations',
  'networkCalibrate',
  'networkFitGenes',
  'networkSimulate',
];

test('the list is complete', () => {
  // Functions of communicators want an MPI, and that of NCCL its library: test/cluster/ranks.
  const tested = Object.keys(native).filter((name) => !/^(communicator|nccl)/.test(name));
  expect(names.sort()).toEqual(tested.sort());
});

test.each(names)('%s: right arguments', async (name) => {
  const result = invoke(name, await calls[name]!());
  expect(typeof (result as { then?: unknown } | undefined)?.then === 'function').toBe(asynchronous.includes(name));
  await result;
});

test.each(names)('%s: wrong arity', async (name) => {
  const args = await calls[name]!();
  expect(await outcome(() => invoke(name, [...args, undefined]))).toBe('ERR_ARG');
  if (args.length > 0) expect(await outcome(() => invoke(name, args.slice(0, -1)))).toBe('ERR_ARG');
});

test.each(names.filter((name) => /^network(?!Create)|Dispose$/.test(name)))('%s: wrong handle', async (name) => {
  const [, ...rest] = await calls[name]!();
  const other = name.startsWith('network') ? native.datasetCreate(new Uint8Array(size), null, [2, 4, 4]) : network;
  for (const handle of [
    undefined,
    null,
    1,
    'x',
    {},
    [],
    () => 1,
    Symbol('x'),
    Object.create(network as object),
    new Proxy(network as object, {}),
    other,
  ]) {
    expect(await outcome(() => invoke(name, [handle, ...rest]))).toBe('ERR_ARG');
  }
});

test.each(names)('%s: each argument replaced by something else', async (name) => {
  const args = await calls[name]!();
  for (let i = 0; i < args.length; i++) {
    for (const wrong of [
      NaN,
      'x',
      true,
      Symbol('x'),
      7n,
      new Float64Array(3),
      new DataView(new ArrayBuffer(8)),
      () => 1,
    ]) {
      if (typeof args[i] === 'boolean' && typeof wrong === 'boolean') continue;
      expect(['ERR_ARG', 'ERR_SHAPE']).toContain(await outcome(() => invoke(name, args.with(i, wrong))));
    }
  }
});

test('asynchronous functions reject, they never throw', () => {
  for (const name of asynchronous) {
    const promise = invoke(name, []) as Promise<unknown>;
    promise.catch(() => undefined);
    expect(typeof promise.then).toBe('function');
  }
});

describe('arrays', () => {
  const code = (pixels: unknown, out: unknown = {}): Promise<string> =>
    outcome(() => invoke('networkForward', [network, { pixels }, 'snn', out]));

  test('detached, shared, resizable, of another kind, of another size', async () => {
    expect(await code(detached(new Uint8Array(size)))).toBe('ERR_ARG');
    expect(await code(new Uint8Array(new SharedArrayBuffer(size)))).toBe('ERR_ARG');
    const Resizable = ArrayBuffer as unknown as new (bytes: number, options: { maxByteLength: number }) => ArrayBuffer;
    expect(await code(new Uint8Array(new Resizable(size, { maxByteLength: 2 * size })))).toBe('ERR_ARG');
    expect(await code(new Int8Array(size))).toBe('ERR_ARG');
    expect(await code(new Uint8ClampedArray(size))).toBe('ERR_ARG');
    expect(await code(new Uint8Array(size + 1))).toBe('ERR_SHAPE');
    expect(await code(new Uint8Array(0))).toBe('ERR_SHAPE');
    expect(await code(Buffer.alloc(size))).toBe('ok');
    expect(await code(new Uint8Array(size), { logits: new Float32Array(classes + 1) })).toBe('ERR_SHAPE');
    expect(await code(new Uint8Array(size), { logits: new Float64Array(classes) })).toBe('ERR_ARG');
    expect(await code(new Uint8Array(size), { spikeTimes: [null] })).toBe('ERR_SHAPE');
    expect(await code(new Uint8Array(size), { spikeTimes: [null, new Uint8Array(classes)] })).toBe('ok');
  });

  test('an output that is transferred while the job runs is never written to', async () => {
    const logits = new Float32Array(classes);
    const job = invoke('networkForward', [network, { pixels: new Uint8Array(size) }, 'snn', { logits }]);
    detached(logits);
    expect(await outcome(() => job)).toBe('ERR_STATE');
    expect(await code(new Uint8Array(size))).toBe('ok');
  });

  test('inputs are copied: changing or transferring them under the job is harmless', async () => {
    const run = async (spoil: (pixels: Uint8Array) => void): Promise<Float32Array> => {
      const logits = new Float32Array(classes);
      const pixels = Uint8Array.from({ length: size }, (_, i) => i * 5);
      const job = invoke('networkForward', [network, { pixels }, 'snn', { logits }]);
      spoil(pixels);
      await job;
      return logits;
    };
    const plain = await run(() => undefined);
    expect(await run((pixels) => pixels.fill(0))).toEqual(plain);
    expect(await run(detached)).toEqual(plain);
  });

  test('getters that dispose, start a job or pull memory away end in an error', async () => {
    const victim = await native.networkCreate(spec as NativeSpec);
    const disposing = {
      pixels: new Uint8Array(size),
      get labels() {
        native.networkDispose(victim);
        return undefined;
      },
    };
    expect(await outcome(() => native.networkForward(victim, disposing, 'snn', {}))).toBe('ERR_STATE');

    let inner: Promise<unknown> | undefined;
    const starting = {
      get logits() {
        inner = native.networkForward(network, batch(), 'snn', {});
        return undefined;
      },
    };
    expect(await outcome(() => native.networkForward(network, batch(), 'snn', starting))).toBe('ERR_BUSY');
    await inner;

    const pixels = new Uint8Array(size);
    Object.defineProperty(pixels.buffer, 'resizable', {
      get: () => {
        detached(pixels);
        return false;
      },
    });
    expect(await code(pixels)).toBe('ERR_ARG');

    const thrown = new Error('mine');
    const throwing = {
      get pixels(): Uint8Array {
        throw thrown;
      },
    };
    await expect(native.networkForward(network, throwing, 'snn', {})).rejects.toBe(thrown);
  });
});

describe('parts of tensors', () => {
  const weight = (change: object): unknown => ({
    kind: 'parameter',
    name: 'layers.0.weight',
    offset: 0,
    data: new Float32Array(3),
    ...change,
  });
  const code = (name: string, ...parts: unknown[]): Promise<string> => outcome(() => invoke(name, [network, parts]));

  test.each(['networkRead', 'networkWrite'])('%s: kind, name, offset and size', async (name) => {
    expect(await code(name, weight({}), weight({ offset: 69 }))).toBe('ok');
    expect(await code(name, weight({ kind: 'slot3' }))).toBe('ERR_ARG');
    expect(await code(name, weight({ name: 'layers.2.weight' }))).toBe('ERR_ARG');
    expect(await code(name, weight({ offset: -1 }))).toBe('ERR_ARG');
    expect(await code(name, weight({ offset: 72 }))).toBe('ERR_ARG');
    expect(await code(name, weight({ offset: 70 }))).toBe('ERR_SHAPE');
    expect(await code(name, weight({ data: new Float32Array(73) }))).toBe('ERR_SHAPE');
    expect(await code(name, weight({ data: new Float32Array(0) }))).toBe('ERR_SHAPE');
    expect(await code(name, weight({ data: detached(new Float32Array(3)) }))).toBe('ERR_ARG');
    expect(await code(name)).toBe('ERR_SHAPE');
  });

  test('what is written comes back, from anywhere in the tensor; a number that is not finite writes nothing', async () => {
    const read = async (): Promise<number[]> => {
      const data = new Float32Array(4);
      await native.networkRead(network, [weight({ offset: 31, data }) as never]);
      return [...data];
    };
    const before = await read();
    expect(
      await code(
        'networkWrite',
        weight({ offset: 31, data: Float32Array.of(5) }),
        weight({ data: Float32Array.of(NaN) }),
      ),
    ).toBe('ERR_ARG');
    expect(await read()).toEqual(before);
    expect(await code('networkWrite', weight({ offset: 32, data: Float32Array.of(5, 6) }))).toBe('ok');
    expect(await read()).toEqual([before[0], 5, 6, before[3]]);
  });

  test('an array that is transferred while it is read is never written to', async () => {
    const data = new Float32Array(3);
    const job = invoke('networkRead', [network, [weight({ data })]]);
    detached(data);
    expect(await outcome(() => job)).toBe('ERR_STATE');
  });
});

test('labels and rows are checked before the job', async () => {
  const stepOf = (labels: number[]): NativeStep => ({
    batch: { pixels: new Uint8Array(size * labels.length), labels: Int32Array.from(labels) },
    optimizer: rawSgd as NativeOptimizer,
  });
  const train = (labels: number[]): Promise<string> =>
    outcome(() => native.networkTrain(network, [stepOf([0]), stepOf(labels)], null, 'snn', rawLoss, null));
  expect(await train([0, classes - 1])).toBe('ok');
  expect(await train([0, classes])).toBe('ERR_ARG');
  expect(await train([-1])).toBe('ERR_ARG');
  const unlabelled = native.datasetCreate(new Uint8Array(size), null, [2, 4, 4]);
  const rows = (indices: number[], dataset = unlabelled): Promise<string> =>
    outcome(() => native.networkForward(network, { dataset, indices: Uint32Array.from(indices) }, 'snn', {}));
  expect(await rows([0])).toBe('ok');
  expect(await rows([1])).toBe('ERR_ARG');
  expect(await rows([])).toBe('ERR_SHAPE');
  expect(await rows([0], native.datasetCreate(new Uint8Array(size), null, [4, 2, 4]))).toBe('ERR_SHAPE');
  expect(
    await outcome(() =>
      native.networkGradients(network, { dataset: unlabelled, indices: Uint32Array.of(0) }, 'snn', rawLoss),
    ),
  ).toBe('ERR_ARG');
});

test('a specification is checked field by field', async () => {
  const code = (change: object): Promise<string> =>
    outcome(() => native.networkCreate({ ...(spec as NativeSpec), ...change }));
  for (const change of [
    { timesteps: 0 },
    { timesteps: 255 },
    { timesteps: 2.5 },
    { seed: -1 },
    { seed: 2 ** 53 },
    { threads: 0 },
    { backend: 'gpu' },
    { device: -1 },
    { device: 1024 },
    { mean: [0.5, NaN] },
    { std: [0, 1] },
    { lo: 1, hi: 0 },
    { encoder: 'morse' },
    { surrogate: 3 },
    { alpha: Infinity },
    { gamma: 1e300 },
    { layers: [{}] },
    { layers: 'x' },
    { input: [2, 4, 0] },
  ])
    expect(await code(change)).toBe('ERR_ARG');
  for (const change of [{ mean: [0.5] }, { input: [2, 4] }, { layers: [] }])
    expect(await code(change)).toBe('ERR_SHAPE');
});
