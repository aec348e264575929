// The record of the test images: what a network did, as it is written and read back, and every way to be damaged.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { datasets, Network, type ImageSet } from '../../lib';
import { readSafetensors, writeSafetensors, type Tensor } from '../../lib/io/safetensors';
import { readTestRecord, writeTestRecord, type TestRecord } from '../../lib/train/run/test-record';
import { recordTest } from '../../lib/train/test/record';
import { temporaryFolder } from '../helpers/command-line';

const folder = temporaryFolder();
const path = join(folder, 'test.safetensors');
const timesteps = 4;
let record: TestRecord;
let images: ImageSet;
let network: Network;

beforeAll(async () => {
  ({ test: images } = await datasets.load('shapes', { trainCount: 20, testCount: 60, size: 16 }));
  network = await Network.create(
    {
      input: [3, 16, 16],
      timesteps,
      mean: [0.5, 0.5, 0.5],
      std: [0.25, 0.25, 0.25],
      layers: [
        { type: 'conv', out: 6, threshold: 0.4 },
        { type: 'avgpool' },
        { type: 'linear', out: 12, threshold: 0.2 },
        { type: 'linear', out: 10, output: true },
      ],
    },
    { backend: 'cpu', seed: 1, threads: 1 },
  );
  const config = { evaluation: { batch: 25 }, energy: { images: 40 } };
  record = await recordTest(network, images, { mode: 'snn', config });
  await writeTestRecord(path, record);
});
afterAll(() => network.dispose());

test('holds the answers of a forward pass', async () => {
  const { predictions } = await network.forward(images.pixels);
  expect(record.answers.predictions).toEqual(predictions);
  expect(record.answers.labels).toEqual(images.labels);
});

test('counts the spike times of a trace, of the output layer too', async () => {
  const { spikeTimes } = await network.forward(images.pixels.subarray(0, 40 * 768), { trace: true });
  expect(record.times.map(({ layer, neurons, images }) => [layer, neurons, images])).toEqual([
    [0, 1536, 40],
    [2, 12, 40],
    [3, 10, 40],
  ]);
  for (const { layer, neurons, counts } of record.times) {
    const expected = new Array<number>(timesteps + 1).fill(0);
    for (const time of spikeTimes!.get(layer)!) expected[time > timesteps ? 0 : time]!++;
    expect([...counts]).toEqual(expected);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(40 * neurons);
  }
  expect(record.energy!.images).toBe(40);
});

test('keeps the maps of the worst and the best image', async () => {
  const [worst] = record.worst;
  const probability = (row: number): number => record.answers.probabilities[row]!;
  expect(probability(worst!.row)).toBe(Math.min(...record.answers.probabilities));
  expect(probability(record.best[0]!.row)).toBe(Math.max(...record.answers.probabilities));
  expect(worst!.label).toBe(images.labels[worst!.row]);
  expect(worst!.probabilities[worst!.label]).toBeCloseTo(probability(worst!.row), 6);
  const pixels = images.pixels.slice(worst!.row * 768, (worst!.row + 1) * 768);
  expect(worst!.pixels).toEqual(pixels);
  const { spikeTimes, predictions } = await network.forward(pixels, { trace: true });
  expect(worst!.maps.map(({ layer, shape }) => [layer, shape])).toEqual([
    [0, [6, 16, 16]],
    [2, [12]],
    [3, [10]],
  ]);
  expect(worst!.maps[0]!.times).toEqual(spikeTimes!.get(0));
  expect(worst!.answers).toHaveLength(timesteps);
  expect(worst!.answers.at(-1)).toBe(predictions[0]);
});

test('is read back as it was written', async () => {
  expect(await readTestRecord(path)).toEqual(record);
});

test('of a network without spikes has answers and images alone', async () => {
  const config = { evaluation: { batch: 25 }, energy: { images: 40 } };
  const ann = await recordTest(network, images, { mode: 'ann', config });
  expect(ann).toMatchObject({ mode: 'ann', times: [], neurons: [], energy: null });
  expect(ann.worst[0]!.maps).toEqual([]);
  const file = join(folder, 'ann.safetensors');
  await writeTestRecord(file, ann);
  expect(await readTestRecord(file)).toEqual(ann);
});

describe('a damaged record is ERR_FORMAT', () => {
  const damaged = async (change: (tensors: Map<string, Tensor>, metadata: Record<string, string>) => unknown) => {
    const { tensors, metadata } = await readSafetensors(path);
    const file = join(folder, 'damaged.safetensors');
    change(tensors, metadata);
    await writeSafetensors(file, tensors, metadata);
    return readTestRecord(file);
  };

  test('cut short', async () => {
    const file = join(folder, 'short.safetensors');
    writeFileSync(file, readFileSync(path).subarray(0, -100));
    await expect(readTestRecord(file)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  });

  test.each([
    [
      'without its header',
      (_: Map<string, Tensor>, metadata: Record<string, string>) => delete metadata['onespikeTest'],
    ],
    [
      'with a header that is no JSON',
      (_: Map<string, Tensor>, metadata: Record<string, string>) => (metadata['onespikeTest'] = '{'),
    ],
    ['without predictions', (tensors: Map<string, Tensor>) => tensors.delete('predictions')],
    [
      'with predictions of another type',
      (tensors: Map<string, Tensor>) => tensors.set('predictions', tensors.get('probabilities')!),
    ],
    [
      'with fewer ranks than labels',
      (tensors: Map<string, Tensor>) => tensors.set('ranks', { dtype: 'I32', shape: [1], data: new Int32Array(1) }),
    ],
    ['with a label that is no class', (tensors: Map<string, Tensor>) => (tensors.get('labels')!.data[0] = 10)],
    ['with an answer that is no class', (tensors: Map<string, Tensor>) => (tensors.get('worst.answers')!.data[0] = -1)],
    ['without the spike times of a layer', (tensors: Map<string, Tensor>) => tensors.delete('times.layers.2')],
    ['with pixels of another shape', (tensors: Map<string, Tensor>) => (tensors.get('best.pixels')!.shape = [4, 768])],
    [
      'with a map of too few images',
      (tensors: Map<string, Tensor>) =>
        tensors.set('best.layers.2', { dtype: 'U8', shape: [1, 12], data: new Uint8Array(12) }),
    ],
  ])('%s', async (_, change) => {
    await expect(damaged(change)).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      message: expect.stringContaining('damaged.safetensors'),
    });
  });
});
