// How far the activity of a network is above its target, by the spikes of its layers: as native code weighs them.
import { Network, type NetworkDescription } from '../../lib';
import { SeededRandom } from '../../lib/data';
import type { TrainConfig } from '../../lib/train/config/config';
import { excessOf, hiddenLayers, layerActivity } from '../../lib/train/run/activity';

const description: NetworkDescription = {
  input: [2, 9, 7],
  timesteps: 3,
  layers: [
    { type: 'conv', out: 6, threshold: 0.2 },
    { type: 'avgpool' },
    { type: 'conv', out: 9, kernel: 5, stride: 2, padding: 1, threshold: 0.2 },
    { type: 'linear', out: 7, threshold: 0.2 },
    { type: 'linear', out: 4, output: true },
  ],
};
const IMAGES = 5;
const random = new SeededRandom(3);
const pixels = Uint8Array.from({ length: IMAGES * 2 * 9 * 7 }, () => random.below(256));
const labels = Int32Array.from({ length: IMAGES }, () => random.below(4));

const configured = (target: number, strength = 1): Pick<TrainConfig, 'binary' | 'snn'> => {
  const phase = { activity: { target, strength } };
  return { binary: phase, snn: phase } as Pick<TrainConfig, 'binary' | 'snn'>;
};

test('it is the share above the target, or above 0.05 if the target is less', async () => {
  const network = await Network.create(description, { backend: 'cpu', seed: 1, threads: 1 });
  // After one step the running mean of native code is the activity of its images.
  const stats = await network.trainStep(
    { pixels, labels },
    { optimizer: { kind: 'sgd', learningRate: 1e-6 }, activity: { target: 0.1, strength: 1 } },
  );
  const { activity } = network.counters();
  const layers = layerActivity(hiddenLayers(network), stats.spikes, IMAGES);
  const excess = (target: number, strength?: number): number =>
    excessOf({ config: configured(target, strength), network }, 'snn', layers);
  expect(activity).toBeGreaterThan(0.1);
  expect(excess(0.1)).toBeCloseTo((activity! - 0.1) / 0.1, 6);
  expect(excess(0)).toBeCloseTo(activity! / 0.05, 6);
  expect(excess(activity! + 0.01)).toBe(0);
  expect(excess(0.1, 0)).toBe(0);
  expect(excessOf({ config: configured(0.1), network }, 'ann', [])).toBe(0);
  await network.dispose();
});
