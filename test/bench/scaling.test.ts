// The model of bench:scaling: what a step costs by the times of two batches, what an exchange costs between the sizes
// that were measured, and what ranks and GPUs gain.
import { inModule } from '../helpers/module';

const model = <T>(body: string, input: unknown): T =>
  inModule('bench/scaling/model.mjs', ['assumed', 'computeOf', 'cpuStep', 'exchangeSeconds', 'gpuStep'], body, input);
const exchanges = [
  { bytes: 100, exchange: 0.001, add: 0 },
  { bytes: 1100, exchange: 0.002, add: 0.001 },
];

test('compute is what no rank saves, and a time for each image', () => {
  const compute = model('return computeOf(...input);', [
    { batch: 64, seconds: 0.74 },
    { batch: 128, seconds: 1.38 },
  ]);
  expect(compute).toEqual({ perImage: expect.closeTo(0.01), fixed: expect.closeTo(0.1) });
});

test.each([
  [100, 0.001],
  [600, 0.002],
  [1100, 0.003],
  [2200, 0.006],
])('an exchange of %d bytes', (bytes, seconds) => {
  expect(model('return exchangeSeconds(input.exchanges, input.bytes);', { exchanges, bytes })).toBeCloseTo(seconds, 9);
});

test('ranks divide the images, and exchange log2 times; beyond the cores they take turns', () => {
  const step = { compute: { fixed: 0.1, perImage: 0.01 }, exchanges, bytes: 1100, batch: 256, cores: 2 };
  const steps = model<{ seconds: number }[]>('return [1, 2, 4].map((ranks) => cpuStep({ ...input, ranks }));', step);
  expect(steps.map(({ seconds }) => seconds)).toEqual([
    expect.closeTo(0.1 + 2.56),
    expect.closeTo(0.1 + 1.28 + 0.003),
    expect.closeTo(2 * (0.1 + 0.64 + 2 * 0.003)),
  ]);
});

test('GPUs: compute stays, communication grows, and what is overlapped costs nothing until it is longer', () => {
  const step = { model: { name: 'any', macs: 1e9, parameters: 4e7 }, timesteps: 5, images: 64 };
  const steps = model<{ computing: number; throughHost: number; ring: number }[]>(
    'return [1, 2, 8, 16, 1024].map((gpus) => gpuStep({ ...input, gpus, cluster: assumed }));',
    step,
  );
  const computing = (3 * 2 * 1e9 * 5 * 64) / (0.3 * 989e12);
  for (const each of steps) expect(each.computing).toBeCloseTo(computing, 9);
  expect(steps[0]).toEqual({
    computing: steps[0]!.computing,
    throughHost: steps[0]!.computing,
    ring: steps[0]!.computing,
  });
  const grows = (times: number[]): boolean => times.every((time, i) => i === 0 || time >= times[i - 1]!);
  expect(grows(steps.map(({ throughHost }) => throughHost))).toBe(true);
  expect(grows(steps.map(({ ring }) => ring))).toBe(true);
  expect(steps[2]!.ring).toBe(steps[2]!.computing);
  expect(steps[4]!.ring).toBeGreaterThan(steps[4]!.computing);
});
