// Options of the loss of class Network: a teacher, an activity target, weights of the steps.
import type { Network } from '../../../lib';
import { createDataset } from '../../../lib/native/dataset';
import { onEachBackend } from '../../helpers/backends';
import { outcome, tiny, TINY_CLASSES as K } from '../../lifecycle/helpers';
import { adam, batch, networksOn } from './networks';

/** softmax(row / temperature). */
function softened(row: ArrayLike<number>, temperature: number): number[] {
  const powers = Array.from(row, (logit) => Math.exp(logit / temperature));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** The mean over the images of KL(softmax(teacher / t) || softmax(own / t)). */
function divergence(own: Float32Array, teacher: Float32Array, temperature: number): number {
  let sum = 0;
  for (let at = 0; at < own.length; at += K) {
    const p = softened(teacher.subarray(at, at + K), temperature);
    const q = softened(own.subarray(at, at + K), temperature);
    p.forEach((share, k) => (sum += share * Math.log(share / q[k]!)));
  }
  return sum / (own.length / K);
}

onEachBackend((on) => {
  const { create, lively } = networksOn(on);
  const images = batch(6);
  const still = { ...adam, learningRate: 0 };

  test.each(['ann', 'snn'] as const)('a teacher in mode %s: the loss is that of its logits', async (mode) => {
    const [student, teacher] = [await lively(), await lively(tiny, 5)];
    const own = await student.forward(images.pixels);
    const other = await teacher.forward(images.pixels, { mode });
    const plain = await student.gradients(images.pixels, images.labels);
    const distillation = { teacher, mode, weight: 0.25, temperature: 2 };
    const taught = await student.gradients(images.pixels, images.labels, { distillation });
    expect(taught.loss).toBeCloseTo(0.75 * plain.loss + 0.25 * 4 * divergence(own.logits, other.logits, 2), 5);
    expect(taught.stats.gradientNorm).not.toBe(plain.stats.gradientNorm);
    const [step] = await student.trainSteps([{ batch: images, optimizer: still }], { distillation });
    expect(step!.loss).toBe(taught.loss);
  });

  test('a teacher sees the augmented images, in every step of a call', async () => {
    const [student, twin] = [await lively(), await lively()];
    const dataset = createDataset(images.pixels, images.labels, [2, 4, 4]);
    const steps = [0, 1, 2].map((step) => ({
      batch: {
        dataset,
        indices: Uint32Array.of(0, 1, 2, 3, 4, 5),
        augment: { padding: 2, flip: true, mixup: 0.5, seed: 3, step },
      },
      optimizer: still,
    }));
    const plain = await student.trainSteps(steps);
    // A teacher with the same parameters has nothing to teach: its part of the loss is 0 on the same pixels alone.
    const distillation = { teacher: twin, mode: 'snn', weight: 0.5 } as const;
    const taught = await student.trainSteps(steps, { distillation, next: steps[0]!.batch });
    taught.forEach(({ loss }, i) => expect(loss).toBeCloseTo(0.5 * plain[i]!.loss, 6));
    dataset.dispose();
  });

  test('a teacher is busy as long as the job, and may be disposed of meanwhile', async () => {
    const [student, teacher] = [await lively(), await lively(tiny, 5)];
    const distillation = { teacher, weight: 1 };
    const step = student.trainStep(images, { optimizer: adam, distillation });
    expect(await outcome(() => teacher.forward(images.pixels))).toBe('ERR_BUSY');
    expect(await outcome(() => step)).toBe('ok');
    expect(await outcome(() => teacher.forward(images.pixels))).toBe('ok');
    const busy = teacher.evaluate(images);
    expect(await outcome(() => student.trainStep(images, { optimizer: adam, distillation }))).toBe('ERR_BUSY');
    await busy;
    const last = student.trainStep(images, { optimizer: adam, distillation });
    void teacher.dispose();
    expect(await outcome(() => last)).toBe('ok');
    expect(await outcome(() => student.trainStep(images, { optimizer: adam, distillation }))).toBe('ERR_STATE');
    expect(await outcome(() => student.trainStep(images, { optimizer: adam }))).toBe('ok');
  });

  test('an activity target lowers it; its running mean is part of the state', async () => {
    const [free, aimed, resumed] = [await lively(), await lively(), await lively()];
    const watched = { target: 1, strength: 1 };
    for (let i = 0; i < 40; i++) await free.trainStep(images, { optimizer: adam, activity: watched });
    const activity = { target: free.counters().activity! / 2, strength: 50 };
    const train = async (network: Network, steps: number): Promise<void> => {
      for (let i = 0; i < steps; i++) await network.trainStep(images, { optimizer: adam, activity });
    };
    await train(aimed, 20);
    await resumed.setParameters(await aimed.parameters());
    await resumed.setOptimizerState(await aimed.optimizerState());
    expect(resumed.counters()).toEqual(aimed.counters());
    await train(aimed, 20);
    await train(resumed, 20);
    expect(aimed.counters().activity).toBeGreaterThan(0);
    expect(aimed.counters().activity).toBeLessThan(0.75 * free.counters().activity!);
    expect(await resumed.parameters()).toEqual(await aimed.parameters());
    expect(resumed.counters()).toEqual(aimed.counters());
    await aimed.resetOptimizer();
    expect(aimed.counters().activity).toBe(0);
  });

  test('weights of the steps: all on the last is the default', async () => {
    const network = await lively();
    const last = Array.from({ length: tiny.timesteps! }, (_, t) => (t + 1 === tiny.timesteps ? 1 : 0));
    const even = last.map(() => 1 / last.length);
    const plain = await network.gradients(images.pixels, images.labels);
    expect((await network.gradients(images.pixels, images.labels, { timeWeights: last })).loss).toBe(plain.loss);
    const all = await network.gradients(images.pixels, images.labels, { timeWeights: even });
    expect(all.loss).not.toBe(plain.loss);
    expect([...all.gradients.keys()]).toEqual([...plain.gradients.keys()]);
  });

  test('relaxed layers: with the probability 0 of spikes nothing fires, and 1 is the default', async () => {
    const network = await lively();
    const plain = await network.gradients(images.pixels, images.labels);
    const relaxed = await network.gradients(images.pixels, images.labels, { quantised: 0 });
    expect((await network.gradients(images.pixels, images.labels, { quantised: 1 })).gradients).toEqual(
      plain.gradients,
    );
    expect(relaxed.loss).not.toBe(plain.loss);
    expect(relaxed.gradients).not.toEqual(plain.gradients);
  });

  test('wrong options are refused by name', async () => {
    const [student, teacher] = [await create(), await create()];
    const small = await create({ ...tiny, input: [2, 6, 6] });
    const T = tiny.timesteps!;
    const refused: [options: object, message: string, code?: string][] = [
      [{ distillation: { weight: 0.5 } }, 'Expected another network for distillation.teacher but received undefined'],
      [{ distillation: { weight: 0.5, teacher: student } }, 'another network for distillation.teacher'],
      [{ distillation: { weight: 0.5, teacher: {} } }, 'another network for distillation.teacher'],
      [{ distillation: { weight: 0.5, teacher: small } }, 'Expected a network for images of', 'ERR_SHAPE'],
      [{ distillation: { teacher } }, 'Expected a number in [0, 1] for distillation.weight but received undefined'],
      [{ distillation: { teacher, weight: 1.5 } }, 'for distillation.weight but received 1.5'],
      [{ distillation: { teacher, weight: 1, temperature: 0 } }, 'a number from 0.01 to 1000 for distillation.temp'],
      [{ distillation: { teacher, weight: 1, mode: 'ams' } }, "for distillation.mode but received 'ams'"],
      [{ distillation: { teacher, weight: 1, temperatur: 1 } }, "did you mean 'temperature'?"],
      [{ distillation: 1 }, 'for distillation but received 1'],
      [{ activity: { target: 0.1 } }, 'for activity.strength but received undefined'],
      [{ activity: { target: 2, strength: 1 } }, 'Expected a number in [0, 1] for activity.target but received 2'],
      [{ activity: { target: 0.1, strength: -1 } }, 'Expected a number from 0 to 1000000 for activity.strength'],
      [{ activity: { target: 0.1, strenght: 1 } }, "did you mean 'strength'?"],
      [{ activity: { target: 0.1, strength: 1 }, mode: 'ann' }, "Expected mode 'binary' or 'snn' for activity"],
      [{ timeWeights: [1] }, `Expected a list of ${T} numbers (one per time step) for timeWeights`],
      [{ timeWeights: new Array(T).fill(0.9) }, 'Expected weights with the sum 1 for timeWeights'],
      [{ timeWeights: new Array(T).fill('1') }, "for timeWeights[0] but received '1'"],
      [{ timeWeights: new Array(T).fill(1 / T), mode: 'binary' }, "Expected mode 'snn' for timeWeights"],
      [{ quantised: 1.5 }, 'for quantised but received 1.5'],
      [{ quantised: 0.5, mode: 'ann' }, "Expected mode 'snn' for quantised but received 'ann'"],
      [{ kernelPenalty: 1 }, 'Expected nothing (the network has no code) for kernelPenalty but received 1'],
    ];
    for (const [options, message, code = 'ERR_ARG'] of refused)
      await expect(student.trainStep(images, { optimizer: adam, ...options } as never)).rejects.toMatchObject({
        code,
        message: expect.stringContaining(message),
      });
  });
});
