// Runs of networks with a code: ANN, conversion, training, bit-identical resumption, and the commands that use them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Network } from '../../../lib';
import { resume, train } from '../../../lib/train/loop/train';
import { resolveConfig, type TrainConfigInput } from '../../../lib/train/config/config';
import { cli, temporaryFolder, tinyConfig } from '../../helpers/command-line';
import { collect, leaveIn, modelBytes, testAccuracy } from '../../helpers/runs';

const folder = temporaryFolder();
const layers = [
  { type: 'conv', out: 6, stride: 2, norm: 'batch' },
  { type: 'maxpool' },
  { type: 'conv', out: 8, bias: true },
  { type: 'avgpool' },
  { type: 'linear', out: 10, output: true },
];
const CODES = { ttfs: { kind: 'ttfs', window: 8 }, radix: { kind: 'radix', bits: 4 } } as const;
const tiny = (kind: keyof typeof CODES, name: string, more: object = {}): TrainConfigInput =>
  ({
    ...structuredClone(tinyConfig),
    model: { name: 'tiny', layers, code: CODES[kind], normGroup: 8 },
    ...more,
    out: join(folder, name),
  }) as unknown as TrainConfigInput;

describe.each(['ttfs', 'radix'] as const)('%s', (kind) => {
  const run = join(folder, kind);
  // Two hidden layers with windows of 9 steps and the output; three layers of 4 bits.
  const steps = kind === 'ttfs' ? 19 : 12;

  test('is trained, converted and trained with its code, and its model is folded', async () => {
    const events = await collect(train(tiny(kind, kind)));
    expect(events[0]).toMatchObject({ event: 'start', timesteps: steps });
    const converted = events.find(({ event }) => event === 'converted')!;
    const names = Object.keys((converted as { thresholds: object }).thresholds);
    expect(names.sort()).toEqual(
      [0, 2].flatMap((i) =>
        kind === 'radix' ? [`layers.${i}.step`] : [`layers.${i}.delay`, `layers.${i}.time_constant`],
      ),
    );
    const done = events.at(-1)!;
    if (done.event !== 'done') throw new Error(`Expected done but received ${done.event}`);
    expect(done.energy.ratio).toBeGreaterThan(0);
    expect(done.snn.spikesPerNeuron).toBeGreaterThan(0);
    expect(await testAccuracy(run, 'snn')).toBe(done.snn.testAccuracy);
    const best = await Network.open(join(run, 'checkpoints', 'snn-best.safetensors'), { backend: 'cpu' });
    const model = await Network.open(join(run, 'model.safetensors'), { backend: 'cpu' });
    expect(best.description.layers[0]!.norm).toBe('batch');
    expect(model.description).toMatchObject({
      code: CODES[kind],
      layers: [{ norm: 'none', bias: true }, {}, {}, {}, {}],
    });
    await Promise.all([best.dispose(), model.dispose()]);
  });

  test.each(['ann', 'snn'] as const)('interrupted in stage %s, it ends bit-identical', async (phase) => {
    const name = `${kind}-${phase}`;
    await leaveIn(train(tiny(kind, name), { progressSeconds: 0 }), phase);
    await collect(resume(join(folder, name)));
    expect(modelBytes(join(folder, name))).toBe(modelBytes(run));
  });

  test('eval, predict and energy know its steps', async () => {
    const picture = join(folder, `${kind}.ppm`);
    writeFileSync(picture, Buffer.concat([Buffer.from('P6\n16 16\n255\n'), Buffer.alloc(3 * 256, 90)]));
    const evaluated = await cli(['eval', run, '--backend', 'cpu', '--json']);
    expect(evaluated.events().at(-1)).toMatchObject({ event: 'eval', mode: 'snn', images: 50 });
    const early = await cli(['eval', run, '--backend', 'cpu', '--early-exit', '--json']);
    expect([early.status, early.stderr]).toEqual([1, expect.stringContaining('ERR_ARG')]);
    const energy = await cli(['energy', run, '--backend', 'cpu', '--json']);
    expect(energy.events().at(-1)).toMatchObject({ event: 'energy', timesteps: steps, code: CODES[kind] });
    const predicted = await cli(['predict', run, picture, '--backend', 'cpu', '--json']);
    expect(predicted.events().at(-1)).toMatchObject({
      event: 'predict',
      step: steps,
      timesteps: steps,
      ...(kind === 'radix' ? { bits: 4 } : {}),
    });
  });
});

test('a run without an ANN before it trains the code alone', async () => {
  const alone = { ann: { ...tinyConfig.ann, epochs: 0 }, convert: { enabled: false } };
  const events = await collect(train(tiny('radix', 'alone', alone)));
  expect(events.at(-1)).toMatchObject({ event: 'done' });
});

test.each([
  ['ttfs', ['binary.epochs=1'], 'Expected 0 (a network with a code has no thresholds) for binary.epochs'],
  ['radix', ['snn.activity.strength=1'], 'no time steps) for snn.activity.strength but received 1'],
  ['ttfs', ['snn.timeWeights=[0,0,0,0,1]'], 'no time steps) for snn.timeWeights but received an array of 5'],
  ['ttfs', ['snn.incremental=[{"timesteps":1,"epochs":1}]'], 'no time steps) for snn.incremental'],
  ['radix', ['snn.code.kernelPenalty=1'], 'Expected 0 (radix has no time constants'],
  ['ttfs', ['snn.code.spikePenalty=1'], 'Expected 0 (no layer is normalised, model.norm) for snn.code.spikePenalty'],
] as const)('what %s has not is refused before the ANN is trained: %j', (kind, overrides, message) => {
  expect(() => resolveConfig({ model: { code: CODES[kind] } }, overrides)).toThrow(message);
});
