// Whether stdout and stderr can still be written.
import type { OneSpikeError } from '../errors';
import { ioError } from '../io/system-error';

type OutputName = 'stdout' | 'stderr';

/** The first failure of a stream. */
const failures = new WeakMap<NodeJS.WriteStream, OneSpikeError>();

/** Keeps the first failure of either output. A reader that has seen enough (`| head`) is no failure. */
export function watchOutputs(): void {
  for (const name of ['stdout', 'stderr'] as const) {
    const stream = process[name];
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && !failures.has(stream)) failures.set(stream, ioError('write to', name, error));
    });
  }
}

export function failureOf(name: OutputName): OneSpikeError | undefined {
  return failures.get(process[name]);
}
