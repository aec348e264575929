// Operations of networks with a code, against dense loops over every product, step by step.
import { countOperations, energyAccount, formatEnergyTable, resolveNetwork, type Code } from '../../../lib';
import { layerShapes } from '../../../lib/model/shapes';
import { stepsToDecision } from '../../../lib/model/code/steps';
import type { LayerDescription, ResolvedNetwork } from '../../../lib/model/description';
import { naiveAccumulates } from '../../helpers/operations';

const IMAGES = 2;
const CODES: Code[] = [
  { kind: 'ttfs', window: 5 },
  { kind: 'radix', bits: 3 },
  { kind: 'one-spike-phase', base: 2, period: 4 },
  { kind: 'one-spike-phase', base: 1.5, period: 4 },
];
const layers: LayerDescription[] = [
  { type: 'maxpool' },
  { type: 'conv', out: 3, stride: 2 },
  { type: 'conv', out: 4, kernel: 2, padding: 0 },
  { type: 'maxpool', kernel: 2 },
  { type: 'avgpool', kernel: 2 },
  { type: 'conv', out: 2 },
  { type: 'linear', out: 3, output: true },
];
const parameters = new Map(
  [1, 2, 5].flatMap((layer) => [
    [`layers.${layer}.time_constant`, { data: Float32Array.of(1.5) }],
    [`layers.${layer}.delay`, { data: Float32Array.of(0.5) }],
  ]),
);
const ones = (byte: number): number => byte.toString(2).replaceAll('0', '').length;

/** A repeatable byte. */
const noise = (i: number, most: number): number => (Math.imul(i + 1, 2654435761) >>> 16) % (most + 1);

/** Largest, or earliest, of every window of 2x2. */
function maxPooled(map: number[], [channels, height, width]: number[], earliest: boolean): number[] {
  const out: number[] = [];
  for (let c = 0; c < channels!; c++)
    for (let y = 0; y + 1 < height!; y += 2)
      for (let x = 0; x + 1 < width!; x += 2) {
        const cells = [0, 1, width!, width! + 1].map((offset) => map[(c * height! + y) * width! + x + offset]!);
        const sent = cells.filter((byte) => byte > 0);
        out.push(sent.length === 0 ? 0 : earliest ? Math.min(...sent) : Math.max(...sent));
      }
  return out;
}

/** The maps of one image, with the layers between each and its reader. */
function* routes(network: ResolvedNetwork, image: number[], maps: Map<string, number[]>, radix: boolean) {
  const shapes = layerShapes(network);
  let from = -1;
  for (const shape of shapes) {
    const { type } = network.layers[shape.layer]!;
    if (type === 'maxpool' || type === 'avgpool') continue;
    let map = from < 0 ? image : maps.get(`layers.${from}`)!;
    let first = from + 1;
    for (; network.layers[first]!.type === 'maxpool'; first++) map = maxPooled(map, shapes[first]!.in, !radix);
    yield { reader: shape, first, input: shapes[first]!.in, map, own: from < 0 ? image : maps.get(`layers.${from}`)! };
    from = shape.layer;
  }
}

test.each(CODES)('%j', (code) => {
  const network = resolveNetwork({ input: [2, 27, 25], layers, code });
  const radix = code.kind === 'radix';
  const most = code.kind === 'ttfs' ? 6 : radix ? 7 : 4;
  const shapes = layerShapes(network);
  const pixels = Uint8Array.from({ length: IMAGES * 2 * 27 * 25 }, (_, i) => noise(i, 255));
  const codes = new Map(
    shapes
      .filter(({ neurons, layer }) => neurons > 0 && layer < 6)
      .map(({ layer, neurons }) => [
        `layers.${layer}`,
        Uint8Array.from({ length: IMAGES * neurons }, (_, i) => noise(i * 7 + layer, 3 * most) % (most + 1)),
      ]),
  );
  const counts = countOperations(network, pixels, codes, parameters);
  const weight = (step: number): number =>
    code.kind === 'ttfs' ? Math.fround(Math.exp((0.5 - step) / 1.5)) : code.kind === 'radix' ? 1 : code.base ** -step;

  const wanted = new Map(counts.layers.map(({ layer }) => [layer, { accumulates: 0, scheduleMacs: 0, events: 0 }]));
  for (let n = 0; n < IMAGES; n++) {
    const image = [...pixels.subarray((n * pixels.length) / IMAGES, ((n + 1) * pixels.length) / IMAGES)];
    const integers = image.map((byte) => Math.floor((7 * byte) / 255 + 0.5));
    const maps = new Map(
      [...codes].map(([name, all]) => [
        name,
        [...all.subarray((n * all.length) / IMAGES, ((n + 1) * all.length) / IMAGES)],
      ]),
    );
    for (const { reader, first, input, map, own } of routes(network, integers, maps, radix)) {
      const total = wanted.get(reader.layer)!;
      if (first <= 1 && !radix) continue; // pixels are analog
      const part = { ...network, input, layers: network.layers.slice(first, reader.layer + 1) } as ResolvedNetwork;
      const sends = (byte: number): number => (radix ? ones(byte) : Number(byte > 0));
      total.events += own.reduce((sum, byte) => sum + sends(byte), 0) / IMAGES;
      total.accumulates += naiveAccumulates(part, map.map(sends), maps).at(-1)! / IMAGES;
      for (let step = 0; step < most && !radix; step++) {
        if (Math.log2(weight(step)) % 1 === 0) continue;
        const arrives = map.map((byte) => Number(byte === step + 1));
        total.scheduleMacs +=
          naiveAccumulates(part, arrives, maps, (received) => Number(received > 0)).at(-1)! / IMAGES;
      }
    }
  }
  for (const layer of counts.layers) {
    expect([layer.layer, layer.accumulates, layer.scheduleMacs, layer.events]).toEqual([
      layer.layer,
      expect.closeTo(wanted.get(layer.layer)!.accumulates, 6),
      expect.closeTo(wanted.get(layer.layer)!.scheduleMacs, 6),
      expect.closeTo(wanted.get(layer.layer)!.events, 6),
    ]);
    expect(layer.macs).toBe(layer.layer === 1 && !radix ? layer.annMacs : 0);
    expect(layer.spikes).toBeCloseTo(
      layer.layer === 6 ? 0 : sumOf(codes.get(`layers.${layer.layer}`)!, radix) / IMAGES,
      6,
    );
  }
  const report = energyAccount(network, counts);
  expect(report).toMatchObject({ timesteps: stepsToDecision(network), code });
  expect(formatEnergyTable(report)).toContain(`code ${code.kind}`);
});

const sumOf = (bytes: Uint8Array, radix: boolean): number =>
  bytes.reduce((sum, byte) => sum + (radix ? ones(byte) : Number(byte > 0)), 0);

test.each<[string, Map<string, Uint8Array>, Map<string, { data: Float32Array }>]>([
  ['maps that are missing', new Map(), parameters],
  ['maps of another size', new Map([['layers.1', new Uint8Array(3)]]), parameters],
  ['bytes that are no code', new Map([['layers.1', new Uint8Array(3 * 7 * 6).fill(9)]]), parameters],
  ['missing parameters', new Map(), new Map()],
])('refuses %s', (_, codes, numbers) => {
  const network = { input: [2, 27, 25], layers, code: CODES[0]!, timesteps: 1 } as const;
  const count = (): unknown => countOperations(network as never, new Uint8Array(2 * 27 * 25), codes, numbers);
  expect(count).toThrow(expect.objectContaining({ code: expect.stringMatching(/ERR_(ARG|SHAPE)/) }));
});

test('steps until the decision', () => {
  const steps = (code: Code): number => stepsToDecision(resolveNetwork({ input: [2, 27, 25], layers, code }));
  expect(CODES.map(steps)).toEqual([3 * 6 + 1, 4 * 3, 4 * 4, 4 * 4]);
});
