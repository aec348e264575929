// The products of schedules, counted from spike times as dense loops count them, step by step.
import { countOperations, energyAccount } from '../../../lib/energy';
import { layerShapes, resolveNetwork, type NetworkDescription } from '../../../lib/model/description';
import { naiveAccumulates, powerSpike, randomBatch } from '../../helpers/operations';

const tail: NetworkDescription['layers'] = [
  { type: 'linear', out: 5 },
  { type: 'linear', out: 3, output: true },
];
const layers: NetworkDescription['layers'] = [
  { type: 'conv', out: 2, kernel: 3, stride: 2, padding: 2 },
  { type: 'avgpool' },
  { type: 'conv', out: 3, kernel: 2, padding: 0 },
  ...tail,
];

/** Weights of which those of steps 2 and 4 are powers of two. */
function schedules(network: NetworkDescription): Map<string, { data: Float32Array }> {
  const weights = Float32Array.from({ length: network.timesteps }, (_, t) => (t % 2 === 1 ? 2 ** -t : 0.7 + 0.01 * t));
  return new Map(
    network.layers.flatMap((layer, i) => (layer.type === 'avgpool' ? [] : [[`layers.${i}.kappa`, { data: weights }]])),
  );
}

/** What arrives from the pixels at a step, by the formula of the encoding. */
function inputAt(description: ReturnType<typeof resolveNetwork>, pixels: Uint8Array, step: number): number[] {
  const { encoder, timesteps, lo, hi } = description;
  const first = encoder === 'hybrid' ? 2 : 1;
  return Array.from(pixels, (byte) => {
    if (encoder === 'phase' || encoder === 'burst' || encoder === 'radix')
      return powerSpike(encoder, byte, step, timesteps) ? 1 : 0;
    if (encoder === 'direct' || (encoder === 'hybrid' && step === 1)) return 1;
    const share = Math.max(0, Math.min(1, (byte / 255 - lo) / (hi - lo)));
    return Math.floor(timesteps + (first - timesteps) * share + 0.5) === step ? 1 : 0;
  });
}

test.each(['hybrid', 'direct', 'ttfs', 'phase', 'burst', 'radix'] as const)(
  'one product for every step and neuron that received: %s',
  (encoder) => {
    const network = resolveNetwork({ input: [2, 11, 9], timesteps: 5, encoder, schedules: true, layers });
    const images = 3;
    const { pixels, maps } = randomBatch(network, images, 11);
    const image = pixels.length / images;
    const expected: number[] = [];
    for (let n = 0; n < images; n++)
      for (const step of [1, 3, 5]) {
        const own = new Map(
          [...maps].map(([name, map]) => {
            const size = map.length / images;
            return [name, Array.from(map.subarray(n * size, (n + 1) * size), (time) => (time === step ? 1 : 0))];
          }),
        );
        const input = inputAt(network, pixels.subarray(n * image, (n + 1) * image), step);
        naiveAccumulates(network, input, own, (received) => (received > 0 ? 1 : 0)).forEach(
          (value, i) => (expected[i] = (expected[i] ?? 0) + value / images),
        );
      }
    const counts = countOperations(network, pixels, maps, schedules(network));
    counts.layers.forEach((layer, i) => expect(layer.scheduleMacs).toBeCloseTo(expected[i]!, 9));
    const plain = countOperations({ ...network, schedules: false }, pixels, maps);
    expect(counts.layers.map(({ scheduleMacs: _, ...layer }) => layer)).toEqual(
      plain.layers.map(({ scheduleMacs: _, ...layer }) => layer),
    );
    // Each costs a multiply-accumulate, and moves nothing that an update of the potential does not move anyway.
    const extra = counts.layers.reduce((sum, layer) => sum + layer.scheduleMacs, 0);
    const [energy, without] = [energyAccount(network, counts), energyAccount(network, plain)];
    for (const i of [0, 4])
      expect(energy.accounts[i]!.snnPicojoules).toBeCloseTo(without.accounts[i]!.snnPicojoules + 3.2 * extra, 6);
  },
);

test('of random events the expected number of neurons counts', () => {
  const network = resolveNetwork({
    input: [1, 1, 2],
    timesteps: 3,
    encoder: 'rate',
    mean: [0],
    std: [1],
    schedules: true,
    layers: [{ type: 'linear', out: 4, output: true }],
  });
  const kappa = new Map([['layers.0.kappa', { data: Float32Array.of(1, 0.7, 0.3) }]]);
  const { layers: counted } = countOperations(network, Uint8Array.of(51, 204), new Map(), kappa);
  expect(counted[0]!.scheduleMacs).toBeCloseTo(2 * 4 * (1 - 0.8 * 0.2), 6);
});

test('weights that are powers of two cost nothing, and missing ones are refused', () => {
  const network = resolveNetwork({
    input: [1, 6, 6],
    timesteps: 2,
    schedules: true,
    layers: [{ type: 'conv', out: 2 }, ...tail],
  });
  const { pixels, maps } = randomBatch(network, 2, 3);
  const ones = new Map(
    layerShapes(network).map(({ layer }) => [`layers.${layer}.kappa`, { data: Float32Array.of(1, 0.25) }]),
  );
  expect(countOperations(network, pixels, maps, ones).layers.map(({ scheduleMacs }) => scheduleMacs)).toEqual([
    0, 0, 0,
  ]);
  expect(() => countOperations(network, pixels, maps)).toThrow(
    expect.objectContaining({ code: 'ERR_ARG', message: expect.stringContaining('for layers.0.kappa') }),
  );
  expect(() =>
    countOperations(network, pixels, maps, new Map([['layers.0.kappa', { data: new Float32Array(3) }]])),
  ).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
});
