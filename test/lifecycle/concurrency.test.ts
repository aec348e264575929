// Several networks at once, and the event loop meanwhile.
import { performance } from 'node:perf_hooks';

import { Network } from '../../lib/model/network';
import { onEachBackend } from '../helpers/backends';
import { heavy, heavyBatch, labels, pixels, sgd, tiny, TINY_CLASSES, TINY_PIXELS } from './helpers';

onEachBackend((on) => {
  test('two networks that train at the same time are bit-identical to those that train one after the other', async () => {
    const steps = async (network: Network): Promise<number[]> => {
      const losses: number[] = [];
      for (let step = 0; step < 20; step++)
        losses.push(
          (
            await network.trainStep(
              { pixels: pixels(6, TINY_PIXELS), labels: labels(6, TINY_CLASSES) },
              { optimizer: sgd },
            )
          ).loss,
        );
      return losses;
    };
    const four = await Promise.all([1, 2, 1, 2].map((seed) => Network.create(tiny, { ...on, seed, threads: 1 })));
    const [a, b] = await Promise.all([steps(four[0]!), steps(four[1]!)]);
    expect(await steps(four[2]!)).toEqual(a);
    expect(await steps(four[3]!)).toEqual(b);
    expect(await four[2]!.parameters()).toEqual(await four[0]!.parameters());
    await Promise.all(four.map((network) => network.dispose()));
  });

  test('many networks run jobs that finish in any order', async () => {
    const networks = await Promise.all(
      Array.from({ length: 12 }, (_, seed) => Network.create(tiny, { ...on, seed, threads: 1 })),
    );
    const results = await Promise.all(
      networks.flatMap((network, i) => [network.forward(pixels(1 + 7 * (i % 5), TINY_PIXELS))]),
    );
    expect(results.map(({ predictions }) => predictions.length)).toEqual(networks.map((_, i) => 1 + 7 * (i % 5)));
    await Promise.all(networks.map((network) => network.dispose()));
  });

  test('the event loop stays free: a timer of 5 ms fires in time while a job runs', async () => {
    const network = await Network.create(heavy, { ...on, threads: 1 });
    const batch = heavyBatch(on.backend);
    const controller = new AbortController();
    const job = network.forward(batch.pixels, { signal: controller.signal, trace: true }).catch(() => undefined);
    const delays: number[] = [];
    for (let i = 0; i < 20; i++) {
      const start = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 5));
      delays.push(performance.now() - start);
    }
    controller.abort();
    await job;
    await network.dispose();
    // The median, because a shared machine delays anyone now and then; a blocking call would delay every timer.
    expect(delays.sort((a, b) => a - b)[10]).toBeLessThan(20);
  });
});
