#!/usr/bin/env node
// The `onespike` executable: signals and outputs that fail end it with a message.
// The first thing of all: until someone listens, SIGUSR1 opens the debugger of Node.js. A command that saves listens as
// well, and then this one does nothing.
process.on('SIGUSR1', () => {
  if (process.listenerCount('SIGUSR1') === 1) process.exit(INTERRUPTED_STATUS);
});

import { setImmediate } from 'node:timers/promises';
import { INTERRUPTED_STATUS, signalCameEarly } from './interrupt';
import { failureOf, watchOutputs } from './outputs';

// With a listener a file that grows beyond `ulimit -f` is an error of the write (EFBIG), without one the end of the
// process.
process.on('SIGXFSZ', () => undefined);
watchOutputs();

// The rest of the program takes a while to load, during which a signal may come.
void import('./program.js').then(async ({ run }) => {
  // The debugger opens in the next turn of the event loop.
  await setImmediate();
  if (signalCameEarly()) process.exit(INTERRUPTED_STATUS);
  process.exitCode = await run(process.argv.slice(2));
});

process.on('beforeExit', () => {
  const failure = failureOf('stdout') ?? failureOf('stderr');
  if (failure === undefined || process.exitCode !== 0) return;
  process.exitCode = 1;
  const other = failureOf('stderr') === undefined ? process.stderr : process.stdout;
  other.write(`error ${failure.message} (${failure.code})\n`);
});
