// Every simulated code approaches its ANN: percentile 100 and V = 1, on a small network that has learnt the embedded
// pictures.
import { generateShapes } from '../../lib/data/sets/shapes';
import { Network, type SimulateOptions } from '../../lib/model/network';

const side = 8;
const classes = 4;

/** The pictures of every third class, so that a few pixels tell them apart. */
function pictures(count: number, part: number): { pixels: Uint8Array; labels: Int32Array; count: number } {
  const all = generateShapes(count, 1, part, side);
  const size = 3 * side * side;
  const rows = [...all.labels.keys()].filter((row) => all.labels[row]! % 3 === 0);
  const pixels = new Uint8Array(rows.length * size);
  rows.forEach((row, i) => pixels.set(all.pixels.subarray(row * size, (row + 1) * size), i * size));
  return { pixels, labels: Int32Array.from(rows, (row) => all.labels[row]! / 3), count: rows.length };
}

const train = pictures(2000, 0);
const test_ = pictures(500, 1);
let network: Network;
let ann: { logits: Float32Array; predictions: Int32Array };

beforeAll(async () => {
  network = await Network.create(
    {
      input: [3, side, side],
      timesteps: 1,
      mean: [0.5, 0.5, 0.5],
      std: [0.25, 0.25, 0.25],
      layers: [
        { type: 'conv', out: 12, bias: true, norm: 'batch' },
        { type: 'avgpool' },
        { type: 'conv', out: 16, bias: true },
        { type: 'avgpool' },
        { type: 'linear', out: classes, bias: true, output: true },
      ],
    },
    { backend: 'cpu', seed: 1 },
  );
  const size = 3 * side * side;
  for (let step = 0; step < 250; step++) {
    const first = (step * 64) % (train.count - 64);
    await network.trainStep(
      {
        pixels: train.pixels.subarray(first * size, (first + 64) * size),
        labels: train.labels.subarray(first, first + 64),
      },
      { mode: 'ann', optimizer: { kind: 'adam', learningRate: 3e-3 } },
    );
  }
  ann = await network.forward(test_.pixels, { mode: 'ann' });
}, 120_000);
afterAll(() => network.dispose());

test('the ANN has learnt something', () => {
  const correct = ann.predictions.filter((prediction, n) => prediction === test_.labels[n]).length;
  expect(correct / test_.count).toBeGreaterThan(0.6);
});

const growing: [string, number, SimulateOptions[]][] = [
  ['rate', 0.97, [32, 128, 512, 2048].map((timesteps) => ({ code: 'rate', timesteps }))],
  ['direct', 0.99, [16, 64, 256, 1024].map((timesteps) => ({ code: 'direct', timesteps }))],
  ['phase', 0.99, [16, 64, 256, 1024].map((timesteps) => ({ code: 'phase', timesteps }))],
  ['burst', 0.99, [16, 64, 256, 2048].map((timesteps) => ({ code: 'burst', timesteps }))],
  ['tsc', 0.99, [16, 64, 256, 1024].map((timesteps) => ({ code: 'tsc', timesteps }))],
  [
    'ttfs-converted',
    0.99,
    [5, 20, 80, 320].map((timeConstant, i) => ({
      code: 'ttfs-converted',
      timeConstant,
      window: timeConstant * (5 + i),
    })),
  ],
  [
    'one-spike-phase',
    0.99,
    [2, 1.2, 1.05, 1.01].map((base, i) => ({
      code: 'one-spike-phase',
      base,
      timesteps: Math.ceil((5 + i) / Math.log(base)),
    })),
  ],
];

test.each(growing)(
  '%s',
  async (_, agreement, settings) => {
    const differences: number[] = [];
    let agreed = 0;
    for (const options of settings) {
      const result = await network.simulate(test_.pixels, { ...options, percentile: 100, record: 65535 });
      let sum = 0;
      agreed = 0;
      for (let n = 0; n < test_.count; n++) {
        let largest = 0;
        for (let k = classes * n; k < classes * (n + 1); k++)
          largest = Math.max(largest, Math.abs(result.logits[k]! - ann.logits[k]!));
        sum += largest;
        agreed += result.predictions[n] === ann.predictions[n] ? 1 : 0;
      }
      differences.push(sum / test_.count);
    }
    expect(differences).toEqual([...differences].sort((a, b) => b - a));
    expect(new Set(differences).size).toBe(4);
    expect(agreed / test_.count).toBeGreaterThanOrEqual(agreement);
  },
  120_000,
);
