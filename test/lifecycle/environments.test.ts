// Environments that begin and end around jobs: workers, processes, the garbage collector. They load the addon
// themselves, in plain JavaScript, so that nothing of this process or of the build of lib/ is in the way.
import { spawnSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';

import { onEachBackend } from '../helpers/backends';
import { heavyImages, rawAddon, rawLoss, rawSgd } from './helpers';

const message = (worker: Worker): Promise<unknown> =>
  new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
const exit = (worker: Worker): Promise<number> => new Promise((resolve) => worker.once('exit', resolve));

onEachBackend((on) => {
  const prelude = (description: 'tiny' | 'heavy'): string => `
    const { path, spec, size, classes } = ${JSON.stringify(rawAddon(description, on.backend))};
    const native = require(path);
    const images = ${description === 'tiny' ? 4 : heavyImages(on.backend)};
    const batch = { pixels: new Uint8Array(images * size).map((_, i) => i * 37), labels: new Int32Array(images) };
    const steps = [{ batch, optimizer: ${JSON.stringify(rawSgd)} }];
    const train = (network, next = null) =>
      native.networkTrain(network, steps, next, 'snn', ${JSON.stringify(rawLoss)}, null).then(([stats]) => stats);
    const code = (promise) => promise.then(() => 'ok', (error) => error.code);
  `;

  function inWorker(description: 'tiny' | 'heavy', body: string): Worker {
    const source = `const { parentPort } = require('node:worker_threads'); ${prelude(description)} (async () => { ${body} })();`;
    return new Worker(source, { eval: true });
  }

  /** What a process printed; fails with its errors if it did not exit with `status`, be it by a signal. */
  function inProcess(description: 'tiny' | 'heavy', body: string, status = 0): string {
    const source = `${prelude(description)} (async () => { ${body} })();`;
    const result = spawnSync(process.execPath, ['--expose-gc', '-e', source], { encoding: 'utf8', timeout: 60_000 });
    expect({ status: result.status, signal: result.signal, stderr: result.stderr }).toEqual({
      status,
      signal: null,
      stderr: '',
    });
    return result.stdout.trim();
  }

  describe('workers', () => {
    const steps = `
      const network = await native.networkCreate(spec);
      const losses = [];
      for (let i = 0; i < 10; i++) losses.push((await train(network)).loss);
      parentPort.postMessage(losses);
    `;

    test('two train at once, to the same numbers, and exit by themselves without dispose', async () => {
      const workers = [inWorker('tiny', steps), inWorker('tiny', steps)];
      const exits = workers.map(exit);
      const [a, b] = await Promise.all(workers.map(message));
      expect(a).toHaveLength(10);
      expect(b).toEqual(a);
      expect(await Promise.all(exits)).toEqual([0, 0]);
    });

    test('terminate in the middle of a job: it is stopped, soon, and the process lives on', async () => {
      const worker = inWorker(
        'heavy',
        `
        const [one, two] = await Promise.all([native.networkCreate(spec), native.networkCreate(spec)]);
        parentPort.postMessage('started');
        await Promise.race([train(one), train(two)]);
        parentPort.postMessage('finished');
      `,
      );
      expect(await message(worker)).toBe('started');
      expect(await worker.terminate()).toBe(1);
      expect(await message(inWorker('tiny', steps))).toHaveLength(10);
    });

    test('terminate at many moments', async () => {
      for (let delay = 0; delay < 12; delay++) {
        const worker = inWorker(
          'tiny',
          `
          const dataset = native.datasetCreate(batch.pixels, batch.labels, spec.input);
          const next = { dataset, indices: Uint32Array.of(0, 1, 2) };
          parentPort.postMessage('started');
          for (;;) {
            const network = await native.networkCreate(spec);
            await Promise.all([train(network, next), code(train(network))]);
            if (Math.random() < 0.5) native.networkDispose(network);
          }
        `,
        );
        await message(worker);
        await new Promise((resolve) => setTimeout(resolve, 4 * delay));
        await worker.terminate();
      }
    });

    test('process.exit in a worker', async () => {
      const worker = inWorker('heavy', 'train(await native.networkCreate(spec)); process.exit(3);');
      expect(await exit(worker)).toBe(3);
    });

    test('a handle is of no use in another environment: it does not even get there', async () => {
      const worker = inWorker(
        'tiny',
        `
        parentPort.once('message', (handle) => {
          try { native.networkMemory(handle); } catch (error) { parentPort.postMessage(error.code); }
        });
        parentPort.postMessage('ready');
      `,
      );
      await message(worker);
      const native = require(rawAddon('tiny').path) as { networkCreate(spec: unknown): Promise<object> };
      worker.postMessage(await native.networkCreate(rawAddon('tiny').spec));
      expect(await message(worker)).toBe('ERR_ARG');
      await worker.terminate();
    });
  });

  describe('processes', () => {
    test.each([
      ['right after loading', '', 0],
      ['with a network being created', 'native.networkCreate(spec); process.exit(5);', 5],
      ['with an idle network', 'await native.networkCreate(spec);', 0],
      ['with a job just started', 'train(await native.networkCreate(spec)); process.exit(5);', 5],
      ['in the middle of a job', 'train(await native.networkCreate(spec)); setTimeout(() => process.exit(5), 50);', 5],
      [
        'with a disposed network whose job runs',
        'const n = await native.networkCreate(spec); code(train(n)); native.networkDispose(n); process.exit(5);',
        5,
      ],
      [
        'with a prefetch running',
        'const dataset = native.datasetCreate(batch.pixels, batch.labels, spec.input); train(await native.networkCreate(spec), { dataset, indices: new Uint32Array(5000) }); setTimeout(() => process.exit(5), 20);',
        5,
      ],
    ])('exit %s', (_, body, status) => {
      inProcess('heavy', body, status);
    });

    test('a running job keeps the process alive, an idle network does not', () => {
      expect(
        inProcess('tiny', "const n = await native.networkCreate(spec); train(n).then(() => console.log('done'));"),
      ).toBe('done');
    });
  });

  describe('garbage collection', () => {
    const collect =
      'for (let i = 0; i < 20; i++) { global.gc(); await new Promise((resolve) => setImmediate(resolve)); }';

    test('networks and data sets that nobody disposed of are freed', () => {
      const out = inProcess(
        'tiny',
        `
        await (async () => { for (let i = 0; i < 50; i++) { await native.networkCreate(spec); native.datasetCreate(batch.pixels, null, spec.input); } })();
        const before = native.info();
        ${collect}
        const after = native.info();
        console.log(before.liveNetworks, before.liveDatasets, after.liveNetworks, after.liveDatasets);
      `,
      );
      expect(out).toBe('50 50 0 0');
    });

    test('a network that is collected while its job runs stays until the end of the job', () => {
      const out = inProcess(
        'tiny',
        `
        const logits = new Float32Array(images * classes);
        const jobs = [];
        await (async () => {
          for (let i = 0; i < 20; i++) {
            const network = await native.networkCreate(spec);
            jobs.push(native.networkForward(network, { dataset: native.datasetCreate(batch.pixels, null, spec.input), indices: Uint32Array.of(0, 1, 2, 3) }, 'snn', { logits }));
          }
        })();
        global.gc();
        console.log((await Promise.all(jobs)).map((stats) => stats.count).join(''));
        ${collect}
        console.log(native.info().liveNetworks);
      `,
      );
      expect(out.split('\n')).toEqual(['4'.repeat(20), '0']);
    });

    test('memory comes back: a thousand networks in turn, disposed or not', () => {
      const out = inProcess(
        'tiny',
        `
        const grow = async (count) => {
          for (let i = 0; i < count; i++) {
            const network = await native.networkCreate({ ...spec, input: [2, 32, 32] });
            if (i % 2) native.networkDispose(network);
            if (i % 50 === 0) { ${collect} }
          }
          ${collect}
          return process.memoryUsage.rss() / 2 ** 20;
        };
        const start = await grow(200);
        console.log(Math.round(await grow(800) - start));
      `,
      );
      expect(Number(out)).toBeLessThan(30);
    });
  });
});
