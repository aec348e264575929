// The shards of a batch, as the addon takes them.
import {
  loadNative,
  type NativeModule,
  type NativeOptimizer,
  type NativeSpec,
  type NativeStep,
  type NetworkHandle,
} from '../../binding';
import { outcome, rawAddon, rawLoss, rawSgd } from './helpers';

const { spec, size } = rawAddon('tiny');
let native: NativeModule;
let network: NetworkHandle;
beforeAll(async () => {
  native = loadNative();
  network = await native.networkCreate(spec as NativeSpec);
});
afterAll(() => native.networkDispose(network));

test('shards divide the rows of a batch, and may have none', async () => {
  const dataset = native.datasetCreate(new Uint8Array(3 * size), new Int32Array(3), [2, 4, 4]);
  const train = (indices: number[], shards: unknown): Promise<string> =>
    outcome(() => {
      const rows = { dataset, indices: Uint32Array.from(indices), shards } as NativeStep['batch'];
      return native.networkTrain(
        network,
        [{ batch: rows, optimizer: rawSgd as NativeOptimizer }],
        null,
        'snn',
        rawLoss,
        null,
      );
    });
  expect(await train([0, 1, 2], { counts: [2, 1], first: 0, images: 3 })).toBe('ok');
  expect(await train([0, 1, 2], { counts: [2, 0, 1], first: 4, images: 8 })).toBe('ok');
  expect(await train([], { counts: [0, 0], first: 1, images: 1 })).toBe('ok');
  for (const shards of [
    { counts: [2, 2], first: 0, images: 4 },
    { counts: [4, -1], first: 0, images: 3 },
    { counts: [1.5, 1.5], first: 0, images: 3 },
    { counts: [], first: 0, images: 3 },
    { counts: [3], first: 1, images: 3 },
    { counts: [3], first: -1, images: 3 },
    { counts: [3], first: 0 },
    [3],
  ])
    expect(await train([0, 1, 2], shards)).toMatch(/^ERR_(ARG|SHAPE)$/);
  expect(await train([], undefined)).toBe('ERR_SHAPE');
});
