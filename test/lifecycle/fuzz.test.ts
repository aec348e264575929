// A thousand wrong calls of the public API: each must fail with a code, soon, and leave the process and the network
// whole.
import { createDataset, type NativeDataset } from '../../lib/native/dataset';
import { isOneSpikeError } from '../../lib/errors';
import { Network } from '../../lib/model/network';
import { detached, labels, pixels, sgd, tiny, TINY_CLASSES, TINY_PIXELS } from './helpers';

const SEED = 20240607;

/** mulberry32: the same sequence on every machine. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const next = random(SEED);
const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!;

// Values that are wrong wherever an object, an array or a number of the API is expected.
const junk: (() => unknown)[] = [
  () => null,
  () => NaN,
  () => -1,
  () => 1e300,
  () => Infinity,
  () => 'x',
  () => '',
  () => true,
  () => Symbol('s'),
  () => 10n,
  () => () => 1,
  () => new Date(0),
  () => /x/,
  () => new DataView(new ArrayBuffer(8)),
  () => new Float64Array(4),
  () => new Uint8ClampedArray(TINY_PIXELS),
  () => new Uint8Array(TINY_PIXELS + 1),
  () => detached(new Uint8Array(TINY_PIXELS)),
  () => new Uint8Array(new SharedArrayBuffer(TINY_PIXELS)),
  () => Promise.resolve(1),
  () => ({ length: -1 }),
  () => ({ length: 2 ** 40 }),
  () => Object.create(null),
  () => [[[]]],
  () => new Map([[1, 2]]),
  () => -0.5,
  () => 2 ** 53,
];

const goodPixels = (): Uint8Array => pixels(2, TINY_PIXELS);
const goodLabels = (): Int32Array => labels(2, TINY_CLASSES);
const goodBatch = (): object => ({ pixels: goodPixels(), labels: goodLabels() });

/** A copy of `object` with one property spoilt, misspelt or, if it is required, missing. */
function spoil(object: object, required: readonly string[], depth = 0): object {
  const copy: Record<string, unknown> = { ...object };
  const keys = Object.keys(copy);
  const key = pick(keys);
  const value = copy[key];
  const kind = next();
  if (kind < 0.15) copy[`${key}x`] = 1;
  else if (kind < 0.3 && required.length > 0) delete copy[pick(required)];
  else if (depth < 2 && kind < 0.6 && Array.isArray(value) && value.length > 0 && typeof value[0] === 'object')
    copy[key] = value.with(Math.floor(next() * value.length), spoil(value[0] as object, ['type'], depth + 1));
  else copy[key] = wrongFor(value);
  return copy;
}

const isEmptyObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === null;

/** A value that is wrong in place of `value`. */
function wrongFor(value: unknown): unknown {
  for (;;) {
    const candidate = pick(junk)();
    if (typeof value === 'number' && typeof candidate === 'number' && Number.isFinite(candidate) && candidate < 1e300)
      continue; // might be in range
    if (typeof value === 'string' && typeof candidate === 'string' && candidate !== '') continue; // might be a name
    if (typeof value === typeof candidate && typeof value === 'boolean') continue;
    if (value instanceof Map && isEmptyObject(candidate)) continue; // names no tensor, which is no mistake
    return candidate;
  }
}

const huge = [
  { ...tiny, layers: [{ type: 'linear', out: 2 ** 31, output: true }] },
  { ...tiny, input: [65535, 65535, 65535] },
  { ...tiny, input: [3, 9000, 9000], layers: [{ type: 'linear', out: 65535, output: true }] },
  { ...tiny, layers: new Array(100_000).fill({ type: 'conv', out: 1 }) },
  {
    ...tiny,
    layers: Array.from({ length: 1000 }, () => ({ type: 'linear', out: 60_000 })).concat([
      { type: 'linear', out: 2, output: true } as never,
    ]),
  },
  {
    ...tiny,
    layers: [
      { type: 'conv', out: 65535, kernel: 65535, padding: 65535 },
      { type: 'linear', out: 1, output: true },
    ],
  },
];

const description = {
  ...tiny,
  mean: [0.5, 0.5],
  std: [1, 1],
  alpha: 1,
  beta: 1,
  gamma: 0.3,
  surrogateScale: 1,
  surrogate: 'triangle',
  schedules: false,
  normGroup: 64,
  encoder: 'hybrid',
  lo: 0,
  hi: 1,
};
const jobOptions = { mode: 'snn', signal: new AbortController().signal };

let network: Network;
let disposed: Network;
let dataset: NativeDataset;
let disposedDataset: NativeDataset;
beforeAll(async () => {
  network = await Network.create(tiny, { backend: 'cpu' });
  disposed = await Network.create(tiny, { backend: 'cpu' });
  await disposed.dispose();
  dataset = createDataset(pixels(8, TINY_PIXELS), labels(8, TINY_CLASSES), [2, 4, 4]);
  disposedDataset = createDataset(pixels(8, TINY_PIXELS), null, [2, 4, 4]);
  disposedDataset.dispose();
});
afterAll(async () => {
  await network.dispose();
  dataset.dispose();
});

const anyone = (): never => network as never; // arguments are wrong on purpose, so the types must not look
type Call = () => unknown;
const wrongCalls: Record<string, Call> = {
  'create: description': () => Network.create(spoil(description, ['input', 'timesteps', 'layers']) as never),
  'create: junk': () => Network.create(pick(junk)() as never),
  'create: huge': () => Network.create(pick(huge) as never),
  'create: options': () => Network.create(tiny, spoil({ backend: 'cpu', seed: 1, threads: 1 }, []) as never),
  open: () => Network.open(wrongFor('path') as never),
  load: () =>
    network.load(pick([...junk, () => '/nonexistent/model.safetensors', () => __filename, () => __dirname])() as never),
  save: () => network.save(wrongFor('path') as never),
  'forward: pixels': () => network.forward(pick(junk)() as never),
  'forward: options': () =>
    network.forward(goodPixels(), spoil({ ...jobOptions, trace: true, potentials: true }, []) as never),
  'forward: ann has no time': () =>
    network.forward(goodPixels(), { mode: 'ann', [pick(['trace', 'potentials'])]: true }),
  'gradients: pixels': () => network.gradients(pick(junk)() as never, goodLabels()),
  'gradients: labels': () =>
    network.gradients(
      goodPixels(),
      pick([
        ...junk,
        () => [0],
        () => [0, TINY_CLASSES],
        () => [0, 0.5],
        () => [0n, -1n],
        () => Float32Array.of(NaN, 1),
      ])() as never,
    ),
  'gradients: options': () => network.gradients(goodPixels(), goodLabels(), spoil(jobOptions, []) as never),
  'trainStep: batch': () =>
    (anyone() as Network).trainStep(spoil(goodBatch(), ['pixels', 'labels']) as never, { optimizer: sgd }),
  'trainStep: junk': () => network.trainStep(pick(junk)() as never, { optimizer: sgd }),
  'trainStep: optimizer': () =>
    network.trainStep(
      goodBatch() as never,
      {
        optimizer: spoil({ ...sgd, momentum: 0.9, beta1: 0.9, epsilon: 1e-8, amsgrad: false, clipNorm: 1 }, [
          'kind',
          'learningRate',
        ]),
      } as never,
    ),
  'trainStep: options': () =>
    network.trainStep(goodBatch() as never, spoil({ optimizer: sgd, ...jobOptions }, ['optimizer']) as never),
  'trainStep: next': () =>
    network.trainStep({ dataset, indices: Uint32Array.of(1) }, {
      optimizer: sgd,
      next: pick([...junk, goodBatch])(),
    } as never),
  'evaluate: rows': () =>
    network.evaluate(
      spoil({ dataset, indices: Uint32Array.of(0, 1), augment: { padding: 1, flip: true, seed: 1, step: 1 } }, [
        'dataset',
        'indices',
      ]) as never,
    ),
  'evaluate: range': () =>
    network.evaluate({
      dataset,
      indices: pick([Uint32Array.of(8), Uint32Array.of(2 ** 32 - 1), new Uint32Array(0), detached(Uint32Array.of(1))]),
    }),
  'evaluate: disposed data': () => network.evaluate({ dataset: disposedDataset, indices: Uint32Array.of(0) }),
  'evaluate: augment': () =>
    network.evaluate({
      dataset,
      indices: Uint32Array.of(0),
      augment: spoil({ padding: 1, flip: true, seed: 1, step: 1 }, ['seed', 'step']),
    } as never),
  calibrate: () => network.calibrate(goodBatch() as never, spoil({ percentile: 99, scale: 1 }, []) as never),
  setParameters: () =>
    network.setParameters(
      pick([
        ...junk.filter((make) => !isEmptyObject(make())),
        () => ({ 'layers.0.wieght': new Float32Array(1) }),
        () => ({ 'layers.0.weight': new Float32Array(3) }),
        () => new Map([['layers.0.leak', Float32Array.of(2)]]),
        () => ({ 'layers.0.threshold': Float32Array.of(0) }),
        () => ({ 'layers.0.leak': Float32Array.of(NaN) }),
        () => ({ 'layers.0.leak': { data: [1] } }),
      ])() as never,
    ),
  setOptimizerState: () =>
    network.setOptimizerState(
      spoil({ slots: new Map(), counters: { optimizerSteps: 1, randomStep: 1 } }, ['slots', 'counters']) as never,
    ),
  setCounters: () =>
    network.setCounters(spoil({ optimizerSteps: 1, randomStep: 1 }, ['optimizerSteps', 'randomStep']) as never),
  anytime: () => network.anytime(pick([...junk, () => new Float32Array(7)])() as never),
  disposed: () =>
    pick<Call>([
      () => disposed.forward(goodPixels()),
      () => disposed.parameters(),
      () => disposed.counters(),
      () => disposed.evaluate(goodBatch() as never),
    ])(),
  createDataset: () => createDataset(pick(junk)() as never, null, [2, 4, 4]),
  'createDataset: labels': () =>
    createDataset(
      goodPixels(),
      pick([...junk.slice(1), () => Int32Array.of(-1, 0), () => new Int32Array(3)])() as never,
      [2, 4, 4],
    ),
  'createDataset: shape': () =>
    createDataset(
      goodPixels(),
      null,
      pick([
        ...junk,
        () => [2, 4],
        () => [0, 4, 4],
        () => [2, 4, 5],
        () => [2, 4, NaN],
        () => [1e9, 1e9, 1e9],
      ])() as never,
    ),
};

test('1,000 random wrong calls, each answered with a code', async () => {
  const failures: string[] = [];
  const names = Object.keys(wrongCalls);
  const before = await network.parameters();
  for (let i = 0; i < 1000; i++) {
    const name = names[i % names.length]!;
    try {
      await wrongCalls[name]!();
      failures.push(`${i} ${name}: no error`);
    } catch (error) {
      if (!isOneSpikeError(error) || error.name !== 'OneSpikeError')
        failures.push(`${i} ${name}: ${(error as Error)?.stack ?? String(error)}`);
    }
  }
  expect(failures.slice(0, 5)).toEqual([]);
  expect(await network.parameters()).toEqual(before);
  expect((await network.forward(goodPixels())).predictions).toHaveLength(2);
});
