// Runs command lines of the built package, one after the other or side by side, in this one process. A message
// { id, args } is answered by { id, stdout } when a command has named an address, and by { id, status, stdout, stderr }
// at its end.
import { AsyncLocalStorage } from 'node:async_hooks';
import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);
const { run } = load('../../dist/lib/cli/program.js');
// A sweep starts the program again by this path.
process.argv[1] = load.resolve('../../dist/lib/cli/main.js');

/** @typedef {{ id: number, stdout: string, stderr: string }} Written */
/** @type {AsyncLocalStorage<Written>} */
const running = new AsyncLocalStorage();

for (const name of /** @type {const} */ (['stdout', 'stderr'])) {
  // Every command listens for errors of the outputs, and never stops.
  process[name].setMaxListeners(0);
  process[name].write = (/** @type {string | Uint8Array} */ chunk, /** @type {unknown[]} */ ...rest) => {
    const written = running.getStore();
    if (written !== undefined) {
      const named = written.stdout.includes('http://');
      written[name] += chunk.toString();
      if (!named && written.stdout.includes('http://')) process.send?.({ id: written.id, stdout: written.stdout });
    }
    const done = rest.at(-1);
    if (typeof done === 'function') process.nextTick(() => done());
    return true;
  };
}

process.on('message', async (/** @type {{ id: number, args: string[] }} */ { id, args }) => {
  const written = { id, stdout: '', stderr: '' };
  const status = await running.run(written, () => run(args));
  process.send?.({ ...written, status });
});
