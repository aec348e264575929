// Schedules of class Network: their tensors, files, and networks carried to another number of time steps.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { NetworkDescription } from '../../../lib/model/description';
import { carrySchedule } from '../../../lib/model/parameters';
import { onEachBackend } from '../../helpers/backends';
import { tiny } from '../../lifecycle/helpers';
import { adam, batch, networksOn } from './networks';

const scheduled: NetworkDescription = { ...tiny, timesteps: 5, schedules: true };

test('a schedule keeps its first steps, or repeats the last', () => {
  const data = Float32Array.of(4, 2, 1);
  expect(carrySchedule(data, 2)).toEqual(Float32Array.of(4, 2));
  expect(carrySchedule(data, 3)).toEqual(data);
  expect(carrySchedule(data, 5)).toEqual(Float32Array.of(4, 2, 1, 1, 1));
});

onEachBackend((on) => {
  const { create, lively } = networksOn(on);

  test('schedules are 1 at first, and trained', async () => {
    const network = await lively(scheduled);
    const before = await network.parameters();
    expect([...before.get('layers.0.kappa')!.data, ...before.get('layers.2.theta')!.data]).toEqual(
      new Array<number>(10).fill(1),
    );
    const { gradients } = await network.gradients(batch(5).pixels, batch(5).labels);
    expect(gradients.get('layers.0.kappa')).toHaveLength(5);
    for (let step = 0; step < 3; step++) await network.trainStep(batch(5), { optimizer: adam });
    const after = await network.parameters();
    for (const name of ['layers.0.kappa', 'layers.2.theta'])
      expect([...after.get(name)!.data].some((factor) => factor !== 1)).toBe(true);
  });

  test('numbers out of range are refused with their place', async () => {
    const network = await create(scheduled);
    for (const factor of [0, -1, 2e6])
      await expect(
        network.setParameters({ 'layers.0.theta': Float32Array.of(1, 1, factor, 1, 1) }),
      ).rejects.toMatchObject({
        code: 'ERR_ARG',
        message: `Expected a number from 2^-20 to 2^20 for layers.0.theta[2] but received ${factor}`,
      });
    await expect(network.setParameters({ 'layers.0.kappa': new Float32Array(4).fill(1) })).rejects.toMatchObject({
      code: 'ERR_SHAPE',
    });
    await expect(network.setParameters({ 'layers.0.kappa': new Float32Array(5).fill(NaN) })).rejects.toMatchObject({
      code: 'ERR_ARG',
    });
  });

  test('a trained network continues bit for bit, and is carried to another number of steps', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'onespike-'));
    try {
      const path = join(folder, 'model.safetensors');
      const network = await lively(scheduled);
      for (let step = 0; step < 2; step++) await network.trainStep(batch(5), { optimizer: adam });
      await network.save(path);
      const same = await lively(scheduled, 9);
      await same.load(path);
      await same.setOptimizerState(await network.optimizerState());
      for (const one of [network, same]) await one.trainStep(batch(5), { optimizer: adam });
      expect(await same.parameters()).toEqual(await network.parameters());

      await network.save(path);
      const kappa = (await network.parameters()).get('layers.0.kappa')!.data;
      for (const timesteps of [3, 8]) {
        const other = await create({ ...scheduled, timesteps });
        await other.load(path);
        expect((await other.parameters()).get('layers.0.kappa')!.data).toEqual(carrySchedule(kappa, timesteps));
        expect((await other.parameters()).get('layers.0.weight')).toEqual(
          (await network.parameters()).get('layers.0.weight'),
        );
      }
      // A network without schedules can start one with them, and not the other way round.
      await expect((await create(tiny)).load(path)).rejects.toMatchObject({ code: 'ERR_ARG' });
      const plain = await create({ ...scheduled, schedules: false });
      await plain.save(path);
      const started = await create(scheduled);
      await started.load(path);
      expect((await started.parameters()).get('layers.0.kappa')!.data).toEqual(new Float32Array(5).fill(1));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('anytime predictions compare with the threshold of each step', async () => {
    const network = await lively(scheduled);
    const theta = Float32Array.of(2 ** 20, 2 ** 20, 2 ** 20, 2 ** 20, 2 ** 20);
    const output = `layers.${scheduled.layers.length - 1}.theta`;
    await network.setParameters({ [output]: theta });
    const { logits, potentials } = await network.forward(batch(4).pixels, { potentials: true });
    const { predictions } = await network.anytime(potentials!);
    const classes = logits.length / 4;
    for (let n = 0; n < 4; n++) {
      const row = [...logits.subarray(n * classes, (n + 1) * classes)];
      expect(predictions[n * 5 + 4]).toBe(row.indexOf(Math.max(...row)));
    }
  });
});
