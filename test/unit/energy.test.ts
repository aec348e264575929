import { ARITHMETIC, countOperations, energyAccount, formatEnergyTable, OperationCounter } from '../../lib/energy';
import {
  layerShapes,
  resolveNetwork,
  type NetworkDescription,
  type ResolvedNetwork,
} from '../../lib/model/description';

/** A small generator of reproducible numbers in [0, 1). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function randomBatch(
  network: ResolvedNetwork,
  images: number,
  seed: number,
): { pixels: Uint8Array; maps: Map<string, Uint8Array> } {
  const random = generator(seed);
  const [channels, height, width] = network.input;
  const pixels = Uint8Array.from({ length: images * channels * height * width }, () => random() * 256);
  const maps = new Map<string, Uint8Array>();
  for (const { index, neurons } of layerShapes(network))
    if (neurons > 0)
      maps.set(
        `layers.${index}`,
        Uint8Array.from({ length: images * neurons }, () =>
          random() < 0.4 ? 1 + Math.floor(random() * network.timesteps) : 0,
        ),
      );
  return { pixels, maps };
}

/** Events of every pixel of the input, by the formula of the encoding, step by step. */
function naiveInput(network: ResolvedNetwork, pixels: ArrayLike<number>): number[] {
  const { timesteps, encoder, lo, hi, mean, std, input } = network;
  return Array.from(pixels, (byte, i) => {
    const channel = Math.floor(i / (input[1] * input[2])) % input[0];
    if (encoder === 'direct') return 0;
    if (encoder === 'rate') return timesteps * Math.min(1, Math.abs((byte / 255 - mean[channel]!) / std[channel]!));
    const first = encoder === 'hybrid' ? 2 : 1;
    let events = 0;
    const share = Math.max(0, Math.min(1, (byte / 255 - lo) / (hi - lo)));
    for (let t = first; t <= timesteps; t++)
      if (Math.floor(timesteps + (first - timesteps) * share + 0.5) === t) events++;
    return events;
  });
}

/** Accumulates per weighted layer of one image by dense loops over every product of every layer. */
function naiveAccumulates(network: ResolvedNetwork, events: number[], maps: Map<string, number[]>): number[] {
  const result: number[] = [];
  let [channels, height, width] = network.input;
  let map = events;
  network.layers.forEach((layer, index) => {
    const at = (c: number, y: number, x: number): number =>
      y < 0 || x < 0 || y >= height || x >= width ? 0 : map[(c * height + y) * width + x]!;
    if (layer.type === 'avgpool') {
      const rows = Math.floor(height / layer.kernel);
      const columns = Math.floor(width / layer.kernel);
      const pooled: number[] = [];
      for (let c = 0; c < channels; c++)
        for (let y = 0; y < rows; y++)
          for (let x = 0; x < columns; x++) {
            let sum = 0;
            for (let dy = 0; dy < layer.kernel; dy++)
              for (let dx = 0; dx < layer.kernel; dx++) sum += at(c, y * layer.kernel + dy, x * layer.kernel + dx);
            pooled.push(sum);
          }
      [height, width, map] = [rows, columns, pooled];
      return;
    }
    let accumulates = 0;
    if (layer.type === 'linear') {
      accumulates = map.reduce((a, b) => a + b, 0) * layer.out;
      [channels, height, width] = [layer.out, 1, 1];
    } else {
      let [rows, columns] = [0, 0];
      for (let y = -layer.padding; y + layer.kernel <= height + layer.padding; y += layer.stride, rows++) {
        columns = 0;
        for (let x = -layer.padding; x + layer.kernel <= width + layer.padding; x += layer.stride, columns++)
          for (let o = 0; o < layer.out; o++)
            for (let c = 0; c < channels; c++)
              for (let ky = 0; ky < layer.kernel; ky++)
                for (let kx = 0; kx < layer.kernel; kx++) accumulates += at(c, y + ky, x + kx);
      }
      [channels, height, width] = [layer.out, rows, columns];
    }
    result.push(accumulates);
    map = maps.get(`layers.${index}`)!;
  });
  return result;
}

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
  counts.layers.forEach((layer, i) => expect(layer.accumulates * images).toBeCloseTo(expected[i]!, 6));
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

  test.each(['hybrid', 'direct', 'rate', 'ttfs'] as const)('counts the input of the %s encoder', (encoder) => {
    const layers = [{ type: 'conv', out: 3 } as const, ...tail];
    for (const timesteps of [1, 2, 5])
      expectExact({ input: [3, 6, 5], timesteps, encoder, lo: 0.2, hi: 0.8, layers }, timesteps);
    const network = resolveNetwork({ input: [3, 6, 5], timesteps: 5, encoder, layers });
    const { pixels, maps } = randomBatch(network, 2, 1);
    const counts = countOperations(network, pixels, maps);
    const dense = layerShapes(network)[0]!.macs;
    expect(counts.layers.map((layer) => layer.macs)).toEqual([
      { hybrid: dense, direct: 5 * dense, rate: 0, ttfs: 0 }[encoder],
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
    const maps = new Map(shapes.map(({ index, neurons }) => [`layers.${index}`, new Uint8Array(neurons).fill(2)]));
    const counts = countOperations(network, new Uint8Array(64), maps);
    expect(counts.layers.map((layer) => layer.accumulates)).toEqual(shapes.map((shape) => shape.macs));
    expect(counts.layers.map((layer) => layer.updates)).toEqual(shapes.map((shape) => 2 * shape.neurons));
  });

  test('a silent network costs its input alone, and still updates every potential at every step', () => {
    const network = resolveNetwork({ input: [1, 8, 8], timesteps: 4, layers: [{ type: 'conv', out: 2 }, ...tail] });
    const maps = new Map(
      layerShapes(network).map(({ index, neurons }) => [`layers.${index}`, new Uint8Array(neurons)]),
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

describe('energyAccount', () => {
  const network = resolveNetwork({
    name: 'tiny',
    input: [1, 4, 4],
    timesteps: 3,
    layers: [
      { type: 'conv', out: 2, kernel: 3 },
      { type: 'linear', out: 3, output: true },
    ],
  });
  const maps = new Map([['layers.0', Uint8Array.from({ length: 32 }, (_, i) => (i < 8 ? 2 : 0))]]);
  const report = energyAccount(network, countOperations(network, new Uint8Array(16), maps));

  test('computes the energy of both accounts and all constants', () => {
    const dense = 2 * 10 * 10; // (2·2 + 2·3)² windows of two channels
    expect(report.total).toEqual({
      annMacs: dense + 96,
      macs: dense,
      accumulates: dense + 24,
      events: 16 + 8,
      spikes: 8,
      spikesPerNeuron: 0.25,
    });
    expect(report.accounts.map((entry) => `${entry.account}/${entry.constants.name}`)).toEqual(
      ['compute', 'compute+memory'].flatMap((name) =>
        ['int32', 'fp32', 'fp16', 'int8'].map((format) => `${name}/${format}`),
      ),
    );
    for (const entry of report.accounts.slice(0, 4)) {
      const { macPicojoules, accumulatePicojoules } = ARITHMETIC[entry.constants.name];
      expect(entry.annPicojoules).toBeCloseTo(296 * macPicojoules, 9);
      expect(entry.snnPicojoules).toBeCloseTo(200 * macPicojoules + 224 * accumulatePicojoules, 9);
      expect(entry.ratio).toBeCloseTo(entry.annPicojoules / entry.snnPicojoules, 12);
      expect(entry.constants.memory).toBeNull();
    }
    expect(report.headline).toBe(report.accounts[0]);
    expect(report.headline.constants).toMatchObject({ name: 'int32', macPicojoules: 3.2, accumulatePicojoules: 0.1 });
  });

  test('adds the bytes that are moved', () => {
    const [fp16, int8] = [report.accounts[6]!, report.accounts[7]!];
    expect(fp16.constants.memory).toMatchObject({ name: 'sram-32k', picojoulesPerByte: 2.5, eventBytes: 4 });
    const updates = 8 * 2 + 24 * 3 + 3 * 3;
    expect(fp16.annPicojoules).toBeCloseTo(296 * 1.5 + 2.5 * (296 * 4 + 35 * 2), 9);
    expect(fp16.snnPicojoules).toBeCloseTo(
      200 * 1.5 + 224 * 0.4 + 2.5 * (200 * 4 + 224 * 6 + updates * 4 + (24 + 8) * 4),
      9,
    );
    expect(int8.snnPicojoules).toBeCloseTo(
      200 * 0.23 + 224 * 0.03 + 2.5 * (200 * 2 + 224 * 9 + updates * 8 + 32 * 4),
      9,
    );
    expect(fp16.layers.reduce((sum, layer) => sum + layer.snnPicojoules, 0)).toBeCloseTo(fp16.snnPicojoules, 9);
    const dear = energyAccount(network, countOperations(network, new Uint8Array(16), maps), { memory: 'dram' });
    expect(dear.accounts[6]!.annPicojoules).toBeCloseTo(296 * 1.5 + 162.5 * (296 * 4 + 35 * 2), 6);
    expect(dear.headline).toEqual(report.headline);
  });

  test('gives no ratio where the spiking network spent nothing', () => {
    const quiet = countOperations(network, new Uint8Array(16), new Map([['layers.0', new Uint8Array(32)]]));
    const { headline } = energyAccount(network, quiet);
    expect(headline.layers[1]).toMatchObject({ snnPicojoules: 0, ratio: null });
  });

  test('survives JSON and refuses an unknown memory', () => {
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    expect(() =>
      energyAccount(network, countOperations(network, new Uint8Array(16), maps), { memory: 'hbm' as 'dram' }),
    ).toThrow(expect.objectContaining({ code: 'ERR_ARG' }));
  });

  test('prints as tables that name constants and accounts', () => {
    const text = formatEnergyTable(report);
    const lines = text.split('\n');
    expect(lines[0]).toBe('tiny: operations per image, mean of 1 (T = 3, hybrid input)');
    expect(lines[2]).toMatch(/^0 conv +200 +200 +200 +0\.250 +0\.9697$/);
    expect(lines[4]).toMatch(/^total +296 +200 +224 +0\.250 +1\.430$/);
    expect(text).toMatch(/compute\+memory {2}int8 +0\.23 +0\.03 +2\.5 +/);
    expect(text).toContain('ISSCC 2014');
    expect(text.endsWith('\n')).toBe(false);
  });
});
