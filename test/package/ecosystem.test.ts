// The installed package in test runners and worker threads, and under the judges of packages.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { command, installPackage, root, type Consumer } from './consumer';
import { configuration } from './programs';
import { withTools } from './tools';

const description = `{ input: [1, 8, 8], timesteps: 3, layers: [{ type: 'linear', out: 2, output: true }] }`;
const tests = `
  test('runs', async () => {
    const network = await Network.create(${description}, { backend: 'cpu' });
    const { logits, spikeTimes } = await network.forward(new Uint8Array(2 * 64).fill(9), { trace: true });
    expect(logits).toBeInstanceOf(Float32Array);
    expect(spikeTimes).toBeInstanceOf(Map);
    expect(logits).toHaveLength(4);
    await network.dispose();
  });
  test('fails with codes', async () => {
    await expect(Network.create({})).rejects.toMatchObject({ code: 'ERR_ARG' });
    await expect(Network.create({})).rejects.toThrow(OneSpikeError);
  });`;

let consumer: Consumer;
beforeAll(() => {
  consumer = installPackage();
}, 900_000);
afterAll(() => consumer?.remove());

test('Jest', () => {
  const folder = join(consumer.folder, 'jest');
  mkdirSync(folder);
  writeFileSync(join(folder, 'use.test.js'), `const { Network, OneSpikeError } = require('onespike');${tests}`);
  writeFileSync(join(folder, 'package.json'), '{ "name": "jest-user", "jest": {} }');
  command(folder, process.execPath, join(root, 'node_modules/jest/bin/jest.js'), '--ci');
});

test('worker threads train, before and after one that is ended in the middle', () => {
  const worker = `
    import { parentPort, workerData } from 'node:worker_threads';
    import { train } from 'onespike';
    for await (const { event } of train(workerData)) parentPort.postMessage(event);`;
  writeFileSync(join(consumer.folder, 'worker.mjs'), worker);
  const output = consumer.node(
    `
    import { Worker } from 'node:worker_threads';
    import { on, once } from 'node:events';
    const start = (out, epochs) => {
      const workerData = { ...${JSON.stringify(configuration)}, ann: { epochs }, out };
      return new Worker(new URL('worker.mjs', import.meta.url), { workerData });
    };
    async function finish(worker) {
      const events = [];
      worker.on('message', (event) => events.push(event));
      const [code] = await once(worker, 'exit');
      return events.at(-1) + ' ' + code;
    }
    console.log(await finish(start('run-1', 1)));
    const endless = start('run-2', 10000);
    for await (const [event] of on(endless, 'message')) if (event === 'epoch') break;
    console.log(await endless.terminate());
    console.log(await finish(start('run-3', 1)));`,
    'mjs',
  );
  expect(output).toBe('done 0\n1\ndone 0\n');
});

withTools(
  'test runners and judges',
  { vitest: '5.1.0', publint: '0.3.25', '@arethetypeswrong/cli': '0.18.5' },
  (tools) => {
    const bin = (name: string): string => join(tools, 'node_modules/.bin', name);

    test.each(['forks', 'threads', 'vmThreads'])(
      'Vitest with the pool %s',
      (pool) => {
        const folder = join(consumer.folder, `vitest-${pool}`);
        mkdirSync(folder);
        const imports = `import { expect, test } from 'vitest';\nimport { Network, OneSpikeError } from 'onespike';\n`;
        writeFileSync(join(folder, 'use.test.mjs'), imports + tests);
        command(folder, bin('vitest'), 'run', '--pool', pool);
      },
      120_000,
    );

    test('publint finds nothing', () => {
      expect(command(consumer.folder, bin('publint'), consumer.tarball, '--strict')).toMatch(/All good/);
    });

    test('attw finds the types right for every way of resolving them', () => {
      command(consumer.folder, bin('attw'), consumer.tarball, '--format', 'ascii', '--no-emoji');
    }, 120_000);
  },
);
