#!/usr/bin/env node
/** The `onespike` executable. */
import { run } from './program';

// A reader that has seen enough (`| head`) is no failure; long work stops by itself, see interrupt.ts.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

run(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});
