// The limits of numbers, and the names, exist in TypeScript and in native code: they are equal, and both sides accept
// the same descriptions, at every limit and beyond it.
import { loadNative, type NativeSpec } from '../../binding';
import { SeededRandom } from '../../lib/data/random';
import { IMAGE_SIDE, MOST_CLASSES } from '../../lib/data/types';
import { isOneSpikeError } from '../../lib/errors';
import { ENCODERS, isNormalised, resolveNetwork, SURROGATES } from '../../lib/model/description';
import type { LayerDescription, NetworkDescription, ResolvedNetwork } from '../../lib/model/description';
import type { Code } from '../../lib/model/code/code';
import { Network } from '../../lib/model/network';
import { SIMULATED_CODES } from '../../lib/model/network/simulation-options';
import { LIMITS, type LimitName } from '../../lib/native/limits';

const native = loadNative();

test('the addon reports the limits and the names that are written here', () => {
  const { limits, encoders, surrogates, simulatedCodes } = native.info();
  expect(limits).toEqual(LIMITS);
  expect(IMAGE_SIDE).toEqual(LIMITS.side);
  expect(MOST_CLASSES).toBe(LIMITS.out.max);
  expect(encoders).toEqual(ENCODERS);
  expect(surrogates).toEqual(SURROGATES);
  expect(simulatedCodes).toEqual(SIMULATED_CODES);
});

test.each(ENCODERS)('whether mean and deviation apply to %s is the same in native code', async (encoder) => {
  const logits = async (mean: number): Promise<number[]> => {
    const on = { backend: 'cpu', threads: 1, seed: 1 } as const;
    const network = await Network.create(
      { input: [1, 2, 2], timesteps: 2, layers: [output], encoder, mean: [mean] },
      on,
    );
    const { logits } = await network.forward(Uint8Array.of(0, 90, 180, 255), { mode: 'ann' });
    await network.dispose();
    return [...logits];
  };
  const [some, others] = [await logits(0.2), await logits(0.5)];
  if (isNormalised({ encoder })) expect(others).not.toEqual(some);
  else expect(others).toEqual(some);
});

const output = { type: 'linear', out: 2, output: true } as const;

/** A small network with other layers or numbers in it. */
function network(change: Partial<NetworkDescription>, layers: LayerDescription[] = [output]): NetworkDescription {
  return { input: [1, 6, 6], timesteps: 2, layers, ...change };
}
const conv = (change: Partial<LayerDescription>): NetworkDescription =>
  network({}, [{ type: 'conv', out: 2, ...change }, output]);

const coded = (code: Code, change: Partial<LayerDescription> = {}): NetworkDescription =>
  network({ code }, [{ type: 'conv', out: 2, ...change }, output]);

/** Every number of a description: its limit, its place in messages, and a network with this value in it. */
const places: [LimitName, 'integer' | 'number', string, (value: number) => NetworkDescription][] = [
  ['timesteps', 'integer', 'timesteps', (timesteps) => network({ timesteps })],
  ['side', 'integer', 'input[0]', (side) => network({ input: [side, 1, 1], timesteps: 1 })],
  ['side', 'integer', 'input[1]', (side) => network({ input: [1, side, 1], timesteps: 1 })],
  ['side', 'integer', 'input[2]', (side) => network({ input: [1, 1, side], timesteps: 1 })],
  [
    'layers',
    'integer',
    'layers',
    (count) =>
      network(
        {},
        Array.from({ length: count }, (_, i) => (i < count - 1 ? { type: 'linear', out: 1 } : output)),
      ),
  ],
  [
    'genes',
    'integer',
    'genes.count',
    (count) => network({ genes: { count } }, [{ type: 'conv', out: 2 }, { type: 'conv', out: 2, kernel: 1 }, output]),
  ],
  ['out', 'integer', 'layers[0].out', (out) => network({ input: [1, 1, 1] }, [{ type: 'linear', out }, output])],
  ['out', 'integer', 'layers[0].out', (out) => network({ input: [1, 1, 1] }, [{ type: 'conv', out }, output])],
  ['kernel', 'integer', 'layers[0].kernel', (kernel) => conv({ kernel, padding: 255 })],
  ['stride', 'integer', 'layers[0].stride', (stride) => conv({ stride })],
  ['padding', 'integer', 'layers[0].padding', (padding) => conv({ padding })],
  [
    'pool',
    'integer',
    'layers[0].kernel',
    (kernel) => network({ input: [1, 70, 70] }, [{ type: 'avgpool', kernel }, output]),
  ],
  [
    'pool',
    'integer',
    'layers[0].pool',
    (pool) => network({ input: [1, 70, 70] }, [{ type: 'conv', out: 1, pool }, output]),
  ],
  ['leak', 'number', 'layers[0].leak', (leak) => conv({ leak })],
  ['threshold', 'number', 'layers[0].threshold', (threshold) => conv({ threshold })],
  ['dropout', 'number', 'layers[0].dropout', (dropout) => conv({ dropout })],
  ['window', 'integer', 'code.window', (window) => coded({ kind: 'ttfs', window }, { timeConstant: 1000 })],
  ['bits', 'integer', 'code.bits', (bits) => coded({ kind: 'radix', bits })],
  ['base', 'number', 'code.base', (base) => coded({ kind: 'one-spike-phase', base, period: 4 })],
  ['period', 'integer', 'code.period', (period) => coded({ kind: 'one-spike-phase', base: 1.3, period })],
  [
    'timeConstant',
    'number',
    'layers[0].timeConstant',
    (timeConstant) => coded({ kind: 'ttfs', window: 4 }, { timeConstant }),
  ],
  ['delay', 'number', 'layers[0].delay', (delay) => coded({ kind: 'ttfs', window: 0 }, { timeConstant: 1000, delay })],
  ['mean', 'number', 'mean[0]', (mean) => network({ mean: [mean] })],
  ['std', 'number', 'std[0]', (std) => network({ std: [std] })],
  ['alpha', 'number', 'alpha', (alpha) => network({ alpha })],
  ['beta', 'number', 'beta', (beta) => network({ beta })],
  ['gamma', 'number', 'gamma', (gamma) => network({ gamma })],
  ['surrogateScale', 'number', 'surrogateScale', (surrogateScale) => network({ surrogateScale })],
  ['initialPotential', 'number', 'initialPotential', (initialPotential) => network({ initialPotential })],
  ['lo', 'number', 'lo', (lo) => network({ lo, hi: LIMITS.hi.max })],
  ['hi', 'number', 'hi', (hi) => network({ hi, lo: LIMITS.lo.min })],
];

/** What happens to a description: 'ok', or the code and the message of the refusal. */
async function tried(action: () => unknown): Promise<string> {
  try {
    await action();
    return 'ok';
  } catch (error) {
    if (isOneSpikeError(error)) return `${error.code} ${error.message}`;
    const { code, message } = error as { code?: string; message: string };
    return `${code ?? 'no code'} ${message}`;
  }
}
const resolved = (description: NetworkDescription): Promise<string> => tried(() => resolveNetwork(description));
const created = (description: NetworkDescription): Promise<string> =>
  tried(async () => (await Network.create(description, { backend: 'cpu', threads: 1 })).dispose());

/** The description as native code would receive it if nothing had checked it. */
function unchecked(description: NetworkDescription): NativeSpec {
  const layers = description.layers.map((layer) => ({
    out: 0,
    kernel: layer.type === 'avgpool' ? 2 : layer.type === 'conv' ? 3 : 1,
    stride: 1,
    padding: layer.type === 'conv' ? 1 : 0,
    bias: false,
    pool: 1,
    norm: 'none' as const,
    output: false,
    leak: 0.9,
    threshold: 1,
    dropout: 0,
    ...layer,
  }));
  const small = resolveNetwork(network({}));
  const channels = Array.from({ length: Math.max(0, description.input[0]) }, () => 0.5);
  return {
    ...small,
    mean: channels,
    std: channels,
    seed: 0,
    backend: 'cpu',
    device: 0,
    threads: 1,
    precision: 'fp32',
    profile: false,
    ...description,
    layers,
  };
}
const createdNatively = (description: NetworkDescription): Promise<string> =>
  tried(async () => native.networkDispose(await native.networkCreate(unchecked(description))));

describe.each(places)('%s (%s) at %s', (name, kind, place, describeNetwork) => {
  const { min, max } = LIMITS[name];

  test.each([min, max])('accepts its limit %p everywhere', async (value) => {
    // The lower intensity has nothing above its upper end, and the other way round.
    if ((name === 'lo' && value === max) || (name === 'hi' && value === min)) return;
    const description = describeNetwork(value);
    expect(await resolved(description)).toBe('ok');
    expect(await created(description)).toBe('ok');
    expect(await createdNatively(description)).toBe('ok');
  });

  const below = kind === 'integer' ? min - 1 : min - Math.max(Math.abs(min) * 2 ** -20, 2 ** -140);
  const above = kind === 'integer' ? max + 1 : max + Math.abs(max) * 2 ** -20;
  test.each([below, above, NaN, ...(kind === 'integer' ? [min + 0.5] : [])])('refuses %p everywhere', async (value) => {
    if (name === 'layers' && !Number.isInteger(value)) return;
    const description = describeNetwork(value);
    expect(await resolved(description)).toMatch(/^ERR_ARG /);
    expect(await resolved(description)).toContain(` for ${place} `);
    expect(await created(description)).toBe(await resolved(description));
    expect(await createdNatively(description)).toMatch(/^ERR_(ARG|SHAPE) /);
  });
});

test('pools that follow each other are one window', async () => {
  const pools = (...kernels: number[]): NetworkDescription =>
    network({ input: [1, 100, 100] }, [...kernels.map((kernel) => ({ type: 'avgpool' as const, kernel })), output]);
  expect(await created(pools(8, 8))).toBe('ok');
  expect(await resolved(pools(8, 9))).toBe(
    'ERR_ARG Expected a window of at most 8 (after pools of 8x8 together) for layers[1].kernel but received 9',
  );
  expect(await createdNatively(pools(8, 9))).toMatch(/^ERR_ARG /);
});

test.each<[string, Record<string, unknown>, LimitName]>([
  ['seed', { seed: LIMITS.seed.max }, 'seed'],
  ['threads', { threads: LIMITS.threads.max + 1 }, 'threads'],
  ['device', { device: LIMITS.device.max + 1 }, 'device'],
])('Network.create checks %s by the table', async (option, options, name) => {
  const result = await tried(async () => (await Network.create(network({}), { backend: 'cpu', ...options })).dispose());
  if (options[option] === LIMITS[name].max) expect(result).toBe('ok');
  else
    expect(result).toMatch(new RegExp(`^ERR_ARG Expected an integer from \\d+ to ${LIMITS[name].max} for ${option} `));
});

// Convolutions with maps about as large as the limit of elements, and few weights: both sides draw the line at the same
// size.
function largeMap(random: SeededRandom): NetworkDescription {
  const between = (low: number, high: number): number => low + random.below(high - low + 1);
  const timesteps = between(1, 254);
  const out = between(1, 40);
  const kernel = between(1, 5);
  const padding = between(0, 3);
  const cells = LIMITS.elements.max / timesteps / (Math.ceil(out / 16) * 16);
  const height = Math.max(kernel, Math.min(65535, Math.floor(Math.sqrt(cells) * (0.3 + 2 * random.float()))));
  const width = Math.max(kernel, Math.min(65535, Math.floor((cells / height) * (0.97 + 0.06 * random.float()))));
  const stride = between(1, 3);
  return {
    input: [between(1, 3), height, width],
    timesteps,
    layers: [
      { type: 'conv', out, kernel, padding, stride },
      { type: 'conv', out: 1, kernel: 1, padding: 0, stride: 255 },
      ...[0, 1].map(() => ({ type: 'avgpool' as const, kernel: 2 })),
      output,
    ],
  };
}

test('what resolveNetwork accepts and refuses of large maps, native code accepts and refuses', async () => {
  const random = new SeededRandom(1);
  const counts = { ok: 0, refused: 0 };
  for (let i = 0; i < 300; i++) {
    const description = largeMap(random);
    const first = await resolved(description);
    const second = await createdNatively(description);
    const what = JSON.stringify(description);
    expect([what, second.split(' ')[0]]).toEqual([what, first.split(' ')[0]]);
    counts[first === 'ok' ? 'ok' : 'refused']++;
  }
  expect(counts.ok).toBeGreaterThan(15);
  expect(counts.refused).toBeGreaterThan(15);
});

// Any network, its numbers drawn within their limits or, one in ten, just beyond.
function anyNetwork(random: SeededRandom): NetworkDescription {
  const between = (low: number, high: number): number => low + random.below(high - low + 1);
  const integer = (name: LimitName, most: number): number => {
    const { min, max } = LIMITS[name];
    return random.below(40) === 0 ? (random.below(2) === 0 ? min - 1 : max + 1) : between(min, Math.min(max, most));
  };
  const number = (name: LimitName, low: number, high: number): number =>
    random.below(40) === 0 ? LIMITS[name].max * 1.5 : low + (high - low) * random.float();
  const neuron = (): Partial<LayerDescription> => ({
    leak: number('leak', 0, 1),
    threshold: number('threshold', 0.1, 5),
    bias: random.below(2) === 0,
  });
  const layers: LayerDescription[] = [];
  for (let i = between(0, 3); i > 0; i--) {
    layers.push(
      random.below(3) === 0
        ? { type: 'avgpool', kernel: integer('pool', 5) }
        : {
            type: 'conv',
            out: integer('out', 20),
            kernel: integer('kernel', 7),
            stride: integer('stride', 3),
            padding: integer('padding', 4),
            dropout: number('dropout', 0, 0.9),
            ...neuron(),
          },
    );
  }
  for (let i = between(0, 2); i > 0; i--) layers.push({ type: 'linear', out: integer('out', 30), ...neuron() });
  layers.push({
    type: random.below(30) === 0 ? 'conv' : 'linear',
    out: integer('out', 9),
    output: random.below(30) > 0,
  });
  return {
    input: [integer('side', 4), integer('side', 30), integer('side', 30)],
    timesteps: integer('timesteps', 9),
    layers,
    encoder: ENCODERS[random.below(ENCODERS.length)]!,
    surrogate: SURROGATES[random.below(SURROGATES.length)]!,
    schedules: random.below(2) === 0,
    alpha: number('alpha', -2, 2),
    beta: number('beta', -2, 2),
    gamma: number('gamma', 0.1, 1),
    surrogateScale: number('surrogateScale', 0.1, 3),
    initialPotential: number('initialPotential', 0, 0.9),
    lo: number('lo', -1, 0),
    hi: number('hi', 0.1, 1),
  };
}

test('what resolveNetwork accepts, Network.create accepts; what it refuses, native code refuses', async () => {
  const random = new SeededRandom(2);
  const counts = { ok: 0, refused: 0 };
  for (let i = 0; i < 400; i++) {
    const description = anyNetwork(random);
    const first = await resolved(description);
    const what = JSON.stringify(description);
    expect([what, await created(description)]).toEqual([what, first]);
    if (first !== 'ok') {
      expect([what, first]).toEqual([what, expect.stringMatching(/^ERR_(ARG|SHAPE) Expected .* for /)]);
      expect([what, await createdNatively(description)]).toEqual([what, expect.stringMatching(/^ERR_(ARG|SHAPE) /)]);
    }
    counts[first === 'ok' ? 'ok' : 'refused']++;
  }
  expect(counts.ok).toBeGreaterThan(100);
  expect(counts.refused).toBeGreaterThan(100);
});

test('a resolved network is what native code takes', async () => {
  const whole: ResolvedNetwork = resolveNetwork(conv({}));
  const spec = { ...whole, seed: 0, backend: 'cpu', device: 0, threads: 1, precision: 'fp32', profile: false } as const;
  native.networkDispose(await native.networkCreate(spec));
});
