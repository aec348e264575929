// The addon's check of a simulation, without the checks of lib/.
import { loadNative, type NativeModule, type NativeSpec, type NetworkHandle } from '../../binding';
import { outcome, rawAddon, rawSimulation, simulated } from './helpers';

const { spec, size, classes } = rawAddon('tiny');
let native: NativeModule;
let network: NetworkHandle;
beforeAll(async () => {
  native = loadNative();
  network = await native.networkCreate(spec as NativeSpec);
});
afterAll(() => native.networkDispose(network));

test('a simulation is checked number by number', async () => {
  const code = (change: object, out: object = simulated(2)): Promise<string> =>
    outcome(() =>
      native.networkSimulate(
        network,
        { pixels: new Uint8Array(2 * size) },
        { ...rawSimulation, ...change },
        out as never,
      ),
    );
  for (const change of [
    { code: 'morse' },
    { timesteps: 0 },
    { timesteps: 65536 },
    { threshold: 0 },
    { stride: 0 },
    { seed: -1 },
    { threads: 0 },
    { record: 0 },
    { activations: [0] },
    { activations: ['x'] },
    { logitSteps: [0] },
    { first: -1 },
  ])
    expect([change, await code(change)]).toEqual([change, 'ERR_ARG']);
  for (const change of [{ activations: [1, 1] }, { timesteps: 5 }, { logitSteps: [3, 4] }, { code: 'ttfs-converted' }])
    expect([change, await code(change)]).toEqual([change, 'ERR_SHAPE']);
  expect(await code({}, { logits: new Float32Array(2 * classes) })).toBe('ERR_ARG');
  // Of two windows of four steps.
  const windows = { predictions: new Int32Array(2 * 8), logits: new Float32Array(2 * classes) };
  expect(await code({ code: 'tsc', stride: 3 }, windows)).toBe('ERR_SHAPE');
  const ttfs = (first: number): object => ({ code: 'ttfs-converted', timeConstants: [first, 20], delays: [0, 0] });
  expect(await code(ttfs(0.1), windows)).toBe('ERR_ARG');
  expect(await code(ttfs(20), windows)).toBe('ok');
  expect(await code({})).toBe('ok');
});
