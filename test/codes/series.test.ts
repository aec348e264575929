// Simulations in pieces, and codes of which several windows are tried.
import { simulateInPieces, simulationResult, type SimulationSums } from '../../lib/codes/pieces';
import type { MeasuredCode } from '../../lib/codes/result';
import { bestOf } from '../../lib/codes/rows';
import { settingsOf } from '../../lib/codes/settings';
import { Network } from '../../lib/model/network';
import { SIMULATED_CODES } from '../../lib/model/network/simulation-options';

const images = 11;
const pixels = Uint8Array.from({ length: images * 48 }, (_, i) => (i * 89) % 256);
const labels = Int32Array.from({ length: images }, (_, i) => i % 3);
let network: Network;

beforeAll(async () => {
  network = await Network.create(
    {
      input: [3, 4, 4],
      timesteps: 2,
      layers: [
        { type: 'conv', out: 3 },
        { type: 'linear', out: 3, output: true },
      ],
    },
    { backend: 'cpu', seed: 5, threads: 1 },
  );
});
afterAll(() => network.dispose());

test.each(['rate', 'tsc'] as const)('%s in pieces, interrupted or not, adds up to a single call', async (code) => {
  const options = { code, timesteps: 9, calibration: pixels, seed: 3 };
  const set = { pixels, labels };
  const result = (sums: SimulationSums): MeasuredCode => {
    const { result: numbers, steps } = simulationResult(network, code, sums);
    return { result: { ...numbers, seconds: 0, imagesPerSecond: 0 }, steps };
  };
  const whole = result(await simulateInPieces(network, set, options, { piece: images }));
  const saved: SimulationSums[] = [];
  const progress: number[] = [];
  const pieces = await simulateInPieces(
    network,
    set,
    { ...options, onProgress: ({ done, total }) => progress.push(done / total) },
    { piece: 4, save: async (sums) => void saved.push(structuredClone(sums)) },
  );
  expect(saved.map((sums) => sums.images)).toEqual([4, 8, 11]);
  expect(result(pieces).result.timesteps).toBe(code === 'rate' ? 9 : 18);
  expect(result(pieces)).toEqual(whole);
  expect(progress).toEqual([...progress].sort((a, b) => a - b));
  expect(progress.at(-1)).toBe(1);
  // Through a file and on: what was measured at first is not measured again.
  const from = JSON.parse(JSON.stringify(saved[0])) as SimulationSums;
  const rest = await simulateInPieces(network, set, { ...options, calibration: undefined }, { piece: 4, from });
  expect(result(rest)).toEqual(whole);
  // The calibration of all images, not that of the piece.
  expect(saved[0]!.activations).toEqual(pieces.activations);
});

const measured = (timesteps: number, accuracies: readonly number[]): MeasuredCode => ({
  result: {
    code: 'tsc',
    timesteps,
    accuracy: Math.max(...accuracies),
    stepsWithinOnePoint: timesteps,
    spikesPerImage: timesteps,
    operations: { ac: 1, mac: 1 },
    energy: {},
    imagesPerSecond: 1,
    seconds: 1,
  },
  steps: accuracies.map((accuracy, i) => ({ step: i + 1, accuracy })),
});

test('of several windows the most accurate is the row, the shorter of equals', () => {
  const short = measured(2, [0.1, 0.5]);
  const middle = measured(4, [0.1, 0.1, 0.895, 0.895]);
  const long = measured(6, [0.1, 0.1, 0.1, 0.1, 0.9, 0.9]);
  const longest = measured(8, [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.9]);
  const row = bestOf([short, middle, long, longest]);
  expect([row.result.timesteps, row.result.spikesPerImage, row.result.accuracy]).toEqual([6, 6, 0.9]);
  // The window of 4 is within a point from its third step on.
  expect(row.result.stepsWithinOnePoint).toBe(3);
  expect(row.steps).toBe(long.steps);
  // One that ends below its best has none but its own.
  expect(bestOf([measured(3, [0.1, 0.9, 0.2])]).result.stepsWithinOnePoint).toBe(3);
});

test('windows and their clocks grow together, and end where network.simulate begins', () => {
  for (const code of SIMULATED_CODES) {
    const settings = settingsOf(code, {});
    const steps = settings.map(({ timesteps }) => timesteps!);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect(settingsOf(code, { timesteps: { [code]: 7 } })).toEqual([{ code, timesteps: 7 }]);
    expect(settingsOf(code, { quick: true })).toHaveLength(1);
  }
  expect(settingsOf('ttfs-converted', {})).toEqual([
    { code: 'ttfs-converted', timesteps: 21, timeConstant: 5 },
    { code: 'ttfs-converted', timesteps: 41, timeConstant: 10 },
    { code: 'ttfs-converted', timesteps: 81, timeConstant: 20 },
  ]);
  const phases = settingsOf('one-spike-phase', {});
  expect(phases.at(-1)).toEqual({ code: 'one-spike-phase', timesteps: 24, base: 1.2 });
  // The last step of every window counts as much.
  for (const { base, timesteps } of phases) expect(base! ** -(timesteps! - 1)).toBeCloseTo(1.2 ** -23, 12);
});
