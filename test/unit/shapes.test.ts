import { layerShapes, resolveNetwork } from '../../lib/model/description';
import { parameterShapes, sideFanOut } from '../../lib/model/shapes';
import { vgg } from '../../lib/model/vgg';

const output = { type: 'linear', out: 3, output: true } as const;

/** Counts every product of a dense convolution that does not meet padding, one by one. */
function naiveMacs(
  input: readonly [number, number, number],
  out: number,
  kernel: number,
  stride: number,
  padding: number,
): { macs: number; out: number[] } {
  const [channels, height, width] = input;
  let macs = 0;
  let rows = 0;
  let columns = 0;
  for (let y = -padding; y + kernel <= height + padding; y += stride) {
    rows++;
    columns = 0;
    for (let x = -padding; x + kernel <= width + padding; x += stride) {
      columns++;
      for (let o = 0; o < out; o++)
        for (let c = 0; c < channels; c++)
          for (let ky = 0; ky < kernel; ky++)
            for (let kx = 0; kx < kernel; kx++)
              if (y + ky >= 0 && y + ky < height && x + kx >= 0 && x + kx < width) macs++;
    }
  }
  return { macs, out: [out, rows, columns] };
}

describe('layerShapes', () => {
  const cases: [number, number, number, number, number][] = [];
  for (const [height, width] of [
    [7, 9],
    [6, 5],
  ] as const)
    for (const kernel of [1, 3, 5])
      for (const stride of [1, 2, 3])
        for (const padding of [0, 1, 2]) cases.push([height, width, kernel, stride, padding]);

  test.each(cases)(
    'counts the MACs of a %ix%i map, kernel %i, stride %i, padding %i',
    (height, width, kernel, stride, padding) => {
      const [layer] = layerShapes(
        resolveNetwork({
          input: [2, height, width],
          timesteps: 1,
          layers: [{ type: 'conv', out: 3, kernel, stride, padding }, output],
        }),
      );
      const naive = naiveMacs([2, height, width], 3, kernel, stride, padding);
      expect(layer).toMatchObject({
        in: [2, height, width],
        out: naive.out,
        macs: naive.macs,
        fanIn: 2 * kernel * kernel,
      });
      expect(layer!.neurons).toBe(naive.out.reduce((a, b) => a * b));
    },
  );

  test('follows pools, which drop the remainder, into linear layers', () => {
    const shapes = layerShapes(
      resolveNetwork({
        input: [1, 7, 10],
        timesteps: 1,
        layers: [{ type: 'conv', out: 4, bias: true }, { type: 'avgpool', kernel: 3 }, output],
      }),
    );
    expect(shapes).toMatchObject([
      { layer: 0, out: [4, 7, 10], neurons: 280, parameters: 36 + 4 + 2 },
      { layer: 1, in: [4, 7, 10], out: [4, 2, 3], neurons: 0, parameters: 0, macs: 0, fanIn: 9 },
      { layer: 2, in: [4, 2, 3], out: [3, 1, 1], fanIn: 24, macs: 72, neurons: 3, parameters: 74 },
    ]);
  });

  test('agrees with the known size of VGG-16 on CIFAR-10', () => {
    const shapes = layerShapes(resolveNetwork(vgg('vgg16')));
    const weights = [
      3 * 64,
      64 * 64,
      64 * 128,
      128 * 128,
      128 * 256,
      256 * 256,
      256 * 256,
      256 * 512,
      512 * 512,
      512 * 512,
      512 * 512,
      512 * 512,
      512 * 512,
    ].reduce((total, products) => total + 9 * products, 2048 * 4096 + 4096 * 4096 + 4096 * 10);
    expect(shapes.reduce((total, shape) => total + shape.parameters, 0)).toBe(weights + 2 * 16);
    expect(shapes[0]!.macs).toBe(3 * 64 * 94 * 94); // (3·30 + 2·2)² products of a 3x3 window on 32x32
  });
});

test('the fan-out of a side sums to its dense products, and positions no window covers have none', () => {
  expect([...sideFanOut(5, 3, 1, 1)]).toEqual([2, 3, 3, 3, 2]);
  expect([...sideFanOut(6, 2, 4, 0)]).toEqual([1, 1, 0, 0, 1, 1]);
  expect([...sideFanOut(3, 5, 1, 1)]).toEqual([1, 1, 1]);
  expect([...sideFanOut(1, 3, 2, 3)]).toEqual([1]);
});

test('parameterShapes names every tensor of the network in PyTorch layout', () => {
  const network = resolveNetwork({
    input: [2, 6, 6],
    timesteps: 1,
    layers: [{ type: 'conv', out: 4, kernel: 5, bias: true }, { type: 'avgpool' }, { type: 'linear', out: 7 }, output],
  });
  expect(parameterShapes(network)).toEqual([
    { name: 'layers.0.weight', shape: [4, 2, 5, 5] },
    { name: 'layers.0.bias', shape: [4] },
    { name: 'layers.0.threshold', shape: [] },
    { name: 'layers.0.leak', shape: [] },
    { name: 'layers.2.weight', shape: [7, 16] },
    { name: 'layers.2.threshold', shape: [] },
    { name: 'layers.2.leak', shape: [] },
    { name: 'layers.3.weight', shape: [3, 7] },
    { name: 'layers.3.threshold', shape: [] },
    { name: 'layers.3.leak', shape: [] },
  ]);
});

test('schedules are two tensors of T numbers for every weighted layer', () => {
  const description = {
    input: [2, 6, 6] as [number, number, number],
    timesteps: 4,
    layers: [{ type: 'conv' as const, out: 4 }, { type: 'avgpool' as const }, output],
  };
  const plain = resolveNetwork(description);
  const scheduled = resolveNetwork({ ...description, schedules: true });
  const names = (network: typeof plain) => parameterShapes(network).map(({ name }) => name);
  expect(names(scheduled).filter((name) => !names(plain).includes(name))).toEqual([
    'layers.0.kappa',
    'layers.0.theta',
    'layers.2.kappa',
    'layers.2.theta',
  ]);
  expect(parameterShapes(scheduled)[3]).toEqual({ name: 'layers.0.kappa', shape: [4] });
  const sum = (network: typeof plain) => layerShapes(network).reduce((total, { parameters }) => total + parameters, 0);
  expect(sum(scheduled)).toBe(sum(plain) + 16);
});
