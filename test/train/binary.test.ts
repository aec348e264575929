// A run with binary epochs: the converted network of one time step decides as the ANN does, and the run that is
// resumed is bit-identical.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Network, type ConvertedEvent, type DoneEvent, type EpochEvent, type NetworkDescription } from '../../lib';
import { SeededRandom } from '../../lib/data';
import { spikingFromBinary } from '../../lib/model/binary';
import { foldNorm } from '../../lib/model/fold';
import { loadRun } from '../../lib/train/run/load-run';
import { resume, train } from '../../lib/train/loop/train';
import type { TrainConfigInput } from '../../lib/train/config/config';
import { next } from '../../lib/train/run/state';
import { presetConfig } from '../../lib/train/config/presets';
import { resolveConfig } from '../../lib/train/config/config';
import { temporaryFolder, tinyConfig } from '../helpers/command-line';
import { collect, leaveIn, modelBytes, normalisedLayers, testAccuracy } from '../helpers/runs';

const folder = temporaryFolder();
const tiny = (name: string, more: object = {}): TrainConfigInput =>
  ({
    ...structuredClone(tinyConfig),
    model: { ...tinyConfig.model, timesteps: 1, layers: normalisedLayers },
    binary: { ...structuredClone(tinyConfig.ann), epochs: 2 },
    ...more,
    out: join(folder, name),
  }) as unknown as TrainConfigInput;

const model = (name: string): string => modelBytes(join(folder, name));
const random = new SeededRandom(11);

test.each([
  ['hybrid', 0],
  ['direct', 0],
  ['hybrid', 0.5],
  ['direct', 0.3],
] as const)(
  'encoder %s, U(0)/V %d: the spiking network of one step decides as the binary ANN',
  async (encoder, initialPotential) => {
    const description: NetworkDescription = {
      input: [3, 12, 12],
      timesteps: 1,
      initialPotential,
      encoder,
      layers: [
        { type: 'conv', out: 16, norm: 'batch' },
        { type: 'avgpool' },
        { type: 'conv', out: 24, norm: 'batch', bias: true },
        { type: 'conv', out: 17, bias: true },
        { type: 'avgpool' },
        { type: 'linear', out: 20, norm: 'batch' },
        { type: 'linear', out: 5, output: true, bias: true },
      ],
    };
    const images = 60;
    const pixels = Uint8Array.from({ length: images * 3 * 12 * 12 }, () => random.below(256));
    const labels = Int32Array.from({ length: images }, () => random.below(5));
    const ann = await Network.create(description, { backend: 'cpu', seed: 2, threads: 1 });
    const optimizer = { kind: 'sgd', learningRate: 0.05, neuronLearningRate: 0.0125 } as const;
    for (let i = 0; i < 4; i++) await ann.trainStep({ pixels, labels }, { mode: 'binary', optimizer });
    const parameters = await ann.parameters();
    expect(parameters.get('layers.0.threshold')!.data[0]).not.toBe(1);
    const folded = await foldNorm(ann.description, parameters);
    const spiking = await Network.create(folded.network, { backend: 'cpu', threads: 1 });
    await spiking.setParameters(await spikingFromBinary(folded));
    const expected = await ann.forward(pixels, { mode: 'binary' });
    const received = await spiking.forward(pixels, { trace: true });
    expect(received.predictions).toEqual(expected.predictions);
    // Nothing fires or stays silent that does otherwise in the ANN, or the logits would differ by whole spikes.
    const beta = 1;
    received.logits.forEach((logit, i) => {
      const plain = logit - beta * (expected.logits[i]! > 1 ? 1 : 0);
      expect(Math.abs(plain - expected.logits[i]!)).toBeLessThan(1e-4);
    });
    expect(received.stats.correct).toBe(expected.stats.correct);
    await ann.dispose();
    await spiking.dispose();
  },
);

test('binary epochs follow the ANN; at one time step the conversion keeps their accuracy', async () => {
  const events = await collect(train(tiny('whole')));
  const phases = events.flatMap((event) => (event.event === 'epoch' ? [event.phase] : []));
  expect(phases).toEqual(['ann', 'ann', 'binary', 'binary', 'snn', 'snn']);
  const converted = events.find(({ event }) => event === 'converted');
  if (converted?.event !== 'converted') throw new Error('Expected a conversion');
  expect(converted.accuracy).toBe(converted.binaryTestAccuracy);
  const run = await loadRun(join(folder, 'whole'));
  expect(run.mode).toBe('snn');
  const relu = await testAccuracy(join(folder, 'whole'), 'ann', 'ann');
  expect([converted.annTestAccuracy, relu]).toEqual([relu, expect.any(Number)]);
  expect(run.results).toMatchObject({
    ann: { testAccuracy: relu },
    binary: { testAccuracy: converted.binaryTestAccuracy },
  });
});

test('with an activity target it has fewer spikes, and resumes bit-identically', async () => {
  const binary = (activity: object): object => ({
    binary: { ...structuredClone(tinyConfig.ann), epochs: 6, activity },
    snn: { ...tinyConfig.snn, epochs: 0 },
  });
  const spikes = async (name: string, activity: object): Promise<number[]> => {
    const events = await collect(train(tiny(name, binary(activity))));
    const last = events.findLast(({ event }) => event === 'epoch') as EpochEvent;
    expect(last.layers).not.toHaveLength(0);
    const converted = events.find(({ event }) => event === 'converted') as ConvertedEvent;
    return [last.spikesPerNeuron, converted.spikesPerNeuron];
  };
  const [free, freeConverted] = await spikes('free', { target: 0.1, strength: 0 });
  // Validation and test images differ.
  expect(freeConverted).toBeCloseTo(free!, 1);
  const target = { target: free! / 2, strength: 500 };
  const [aimed] = await spikes('aimed', target);
  expect(aimed).toBeLessThan(0.8 * free!);
  await leaveIn(train(tiny('left', binary(target)), { progressSeconds: 0 }), 'binary');
  await collect(resume(join(folder, 'left')));
  expect(model('left')).toBe(model('aimed'));
});

test.each(['ann', 'binary', 'snn'] as const)('interrupted in phase %s, it ends bit-identical', async (phase) => {
  await leaveIn(train(tiny(phase), { progressSeconds: 0 }), phase);
  const rest = await collect(resume(join(folder, phase)));
  expect(rest[0]).toMatchObject({ event: 'start', resumed: { stage: phase } });
  expect(model(phase)).toBe(model('whole'));
  const { ann, binary } = (await loadRun(join(folder, 'whole'))).results!;
  expect(rest.at(-1)).toMatchObject({ event: 'done', ann, binary });
});

test('a run of an older version, which reported one ANN, has the accuracy of the binary one', async () => {
  const path = join(folder, 'whole', 'run.json');
  const written = readFileSync(path, 'utf8');
  const info = JSON.parse(written) as { results: DoneEvent };
  const { ann, binary, ...others } = info.results;
  writeFileSync(path, JSON.stringify({ ...info, results: { ...others, ann: binary } }));
  expect((await loadRun(join(folder, 'whole'))).results).toEqual({ ...others, ann: { testAccuracy: null }, binary });
  writeFileSync(path, written);
  expect((await loadRun(join(folder, 'whole'))).results).toMatchObject({ ann, binary });
});

test('a run may end with binary epochs, and takes more of them', async () => {
  const alone = { convert: { enabled: false }, snn: { ...tinyConfig.snn, epochs: 0 } };
  const done = (await collect(train(tiny('alone', alone)))).at(-1)!;
  if (done.event !== 'done') throw new Error(`Expected done but received ${done.event}`);
  const run = await loadRun(join(folder, 'alone'));
  expect(run.mode).toBe('binary');
  expect(await testAccuracy(join(folder, 'alone'), 'binary')).toBe(done.binary.testAccuracy);
  expect(done.ann.testAccuracy).toBe(await testAccuracy(join(folder, 'alone'), 'ann', 'ann'));
  const more = await collect(resume(join(folder, 'alone'), { changes: { binary: { epochs: 3 } } }));
  expect(more.filter(({ event }) => event === 'epoch')).toHaveLength(1);
  await expect(collect(resume(join(folder, 'alone'), { changes: { ann: { epochs: 3 } } }))).rejects.toMatchObject({
    code: 'ERR_ARG',
    message: expect.stringContaining("no change of 'ann.epochs'"),
  });
});

test('stages, presets and refused values', () => {
  const config = resolveConfig({ preset: 'vgg7', binary: { epochs: 3 } });
  expect(config).toMatchObject({
    model: { name: 'vgg7', norm: 'batch', hidden: [] },
    binary: { epochs: 3, batch: 32 },
  });
  expect([null, 'ann', 'binary', 'convert', 'snn', 'finish'].map((stage) => next(stage as never, config))).toEqual([
    'ann',
    'binary',
    'convert',
    'snn',
    'finish',
    null,
  ]);
  expect(next('ann', resolveConfig({ preset: 'vgg7' }))).toBe('convert');
  expect(presetConfig('vgg7', 'cifar10')).toMatchObject({ binary: { epochs: 0, augment: { padding: 4, flip: true } } });
  for (const threshold of [0, -1, 'x'])
    expect(() => resolveConfig({ binary: { threshold: threshold as number } })).toThrow(/binary\.threshold/);
});
