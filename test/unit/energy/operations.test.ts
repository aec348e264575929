// Operations of a batch, counted from its spike times as dense loops count them.
import { countOperations, OperationCounter } from '../../../lib/energy';
import { ENCODERS, layerShapes, resolveNetwork, type NetworkDescription } from '../../../lib/model/description';
import { naiveAccumulates, naiveInput, randomBatch } from '../../helpers/operations';

const fired = (map: ArrayLike<number>, from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => (map[from + i]! > 0 ? 1 : 0));

function expectExact(description: NetworkDescription, seed: number): void {
  const network = resolveNetwork(description);
  const images = 3;
  const { pixels, maps } = randomBatch(network, images, seed);
  const image = pixels.length / images;
  const expected: number[] = [];
  for (let n = 0; n < images; n++) {
    const own = new Map(
      [...maps].map(([name, map]) => [name, fired(map, (n * map.length) / images, ((n + 1) * map.length) / images)]),
    );
    naiveAccumulates(network, naiveInput(network, pixels.subarray(n * image, (n + 1) * image)), own).forEach(
      (value, i) => (expected[i] = (expected[i] ?? 0) + value),
    );
  }
  const counts = countOperations(network, pixels, maps);
  // Native code holds mean and standard deviation, which the expected events of the rate encoder depend on, as floats.
  counts.layers.forEach((layer, i) =>
    expect(Math.abs(layer.accumulates * images - expected[i]!)).toBeLessThanOrEqual(1e-7 * expected[i]!),
  );
}

const tail: NetworkDescription['layers'] = [
  { type: 'linear', out: 5 },
  { type: 'linear', out: 3, output: true },
];

describe('countOperations', () => {
  const windows: [number, number, number][] = [];
  for (const kernel of [1, 3, 5])
    for (const stride of [1, 2, 3]) for (const padding of [0, 1, 2]) windows.push([kernel, stride, padding]);

  test.each(windows)('counts as dense loops do: kernel %i, stride %i, padding %i', (kernel, stride, padding) => {
    const conv = { type: 'conv', out: 3, kernel, stride, padding } as const;
    expectExact(
      { input: [2, 9, 7], timesteps: 4, layers: [{ type: 'conv', out: 2 }, conv, ...tail] },
      kernel * 9 + stride * 3 + padding,
    );
    expectExact({ input: [2, 7, 9], timesteps: 4, layers: [conv, ...tail] }, kernel);
  });

  test.each([2, 3])('hands events through pools of %i that drop pixels', (kernel) => {
    const conv = { type: 'conv', out: 2 } as const;
    expectExact(
      {
        input: [1, 11, 8],
        timesteps: 3,
        layers: [
          conv,
          { type: 'avgpool', kernel },
          { ...conv, padding: 2, stride: 2, kernel: 3 },
          { type: 'avgpool' },
          ...tail,
        ],
      },
      5,
    );
    expectExact(
      {
        input: [1, 11, 13],
        timesteps: 3,
        layers: [conv, { type: 'avgpool', kernel }, { type: 'avgpool' }, conv, ...tail],
      },
      6,
    );
    expectExact({ input: [2, 7, 9], timesteps: 3, layers: [{ type: 'avgpool', kernel }, conv, ...tail] }, 7);
    expectExact({ input: [2, 7, 9], timesteps: 3, layers: [{ type: 'avgpool', kernel }, ...tail] }, 8);
  });

  test.each(ENCODERS)('counts the input of the %s encoder', (encoder) => {
    const layers = [{ type: 'conv', out: 3 } as const, ...tail];
    for (const timesteps of [1, 2, 5])
      expectExact({ input: [3, 6, 5], timesteps, encoder, lo: 0.2, hi: 0.8, layers }, timesteps);
    const network = resolveNetwork({ input: [3, 6, 5], timesteps: 5, encoder, layers });
    const { pixels, maps } = randomBatch(network, 2, 1);
    const counts = countOperations(network, pixels, maps);
    const dense = layerShapes(network)[0]!.macs;
    expect(counts.layers.map((layer) => layer.macs)).toEqual([
      { hybrid: dense, direct: 5 * dense, rate: 0, ttfs: 0, phase: 0, burst: 0, radix: 0 }[encoder],
      0,
      0,
    ]);
    expect(counts.expectedInput).toBe(encoder === 'rate');
    // Every pixel of a coded image spikes exactly once, so its events cost one dense pass of accumulates.
    if (encoder === 'hybrid' || encoder === 'ttfs')
      expect(counts.layers[0]).toMatchObject({ accumulates: dense, events: 90 });
  });

  test('an image whose every neuron fires costs the dense products of every layer', () => {
    const network = resolveNetwork({
      input: [1, 8, 8],
      timesteps: 2,
      layers: [{ type: 'conv', out: 2, stride: 2 }, { type: 'conv', out: 3, kernel: 5, padding: 2 }, ...tail],
    });
    const shapes = layerShapes(network);
    const maps = new Map(shapes.map(({ layer, neurons }) => [`layers.${layer}`, new Uint8Array(neurons).fill(2)]));
    const counts = countOperations(network, new Uint8Array(64), maps);
    expect(counts.layers.map((layer) => layer.accumulates)).toEqual(shapes.map((shape) => shape.macs));
    expect(counts.layers.map((layer) => layer.updates)).toEqual(shapes.map((shape) => 2 * shape.neurons));
  });

  test('a silent network costs its input alone, and still updates every potential at every step', () => {
    const network = resolveNetwork({ input: [1, 8, 8], timesteps: 4, layers: [{ type: 'conv', out: 2 }, ...tail] });
    const maps = new Map(
      layerShapes(network).map(({ layer, neurons }) => [`layers.${layer}`, new Uint8Array(neurons)]),
    );
    const { layers } = countOperations(network, new Uint8Array(64), maps);
    expect(layers.map((layer) => layer.accumulates)).toEqual([2 * 22 * 22, 0, 0]);
    expect(layers.map((layer) => layer.updates)).toEqual([4 * 128, 4 * 5, 4 * 3]);
    expect(layers.map((layer) => layer.spikes)).toEqual([0, 0, 0]);
  });

  test('a counter fed batch by batch gives the means of all images', () => {
    const network = resolveNetwork({
      input: [2, 6, 6],
      timesteps: 3,
      layers: [{ type: 'conv', out: 2 }, { type: 'avgpool' }, ...tail],
    });
    const whole = randomBatch(network, 5, 3);
    const counter = new OperationCounter(network);
    for (const [from, to] of [
      [0, 2],
      [2, 5],
    ] as const) {
      const part = new Map(
        [...whole.maps].map(([name, map]) => [name, map.subarray((from * map.length) / 5, (to * map.length) / 5)]),
      );
      counter.add(whole.pixels.subarray(from * 72, to * 72), part);
    }
    expect(counter.counts()).toEqual(countOperations(network, whole.pixels, whole.maps));
    expect(counter.counts().images).toBe(5);
  });

  test('refuses maps that do not belong to the images, and counts nothing of them', () => {
    const network = resolveNetwork({ input: [1, 4, 4], timesteps: 3, layers: [{ type: 'conv', out: 2 }, ...tail] });
    const { pixels, maps } = randomBatch(network, 2, 3);
    const counter = new OperationCounter(network);
    const refusal = (code: string, text: string) =>
      expect.objectContaining({ code, message: expect.stringContaining(text) });
    expect(() => counter.counts()).toThrow(refusal('ERR_STATE', 'at least one image'));
    expect(() => counter.add(pixels.subarray(1), maps)).toThrow(refusal('ERR_SHAPE', 'for pixels'));
    expect(() => counter.add([...pixels] as unknown as Uint8Array, maps)).toThrow(refusal('ERR_ARG', 'for pixels'));
    expect(() => counter.add(pixels, new Map([['layers.0', maps.get('layers.0')!]]))).toThrow(
      refusal('ERR_ARG', 'for layers.1'),
    );
    expect(() => counter.add(pixels.subarray(16), maps)).toThrow(
      refusal('ERR_SHAPE', 'Expected 32 spike times (1 images) for layers.0'),
    );
    expect(() => counter.add(pixels, new Map(maps).set('layers.1', new Uint8Array(10).fill(4)))).toThrow(
      refusal('ERR_ARG', 'Expected spike times from 0 to 3 for layers.1 but received 4'),
    );
    expect(() => counter.counts()).toThrow(refusal('ERR_STATE', 'at least one image'));
  });
});
