// The live page of a training that goes on in this process.
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { WatchAnswer, WatchData, WatchOrder } from '../../../pictures/live/worker';
import type { Output } from '../../output';
import { announce } from './watch';

/** How long the thread may take to begin, and to end. */
const START_MILLISECONDS = 10_000;
const END_MILLISECONDS = 3000;
/** Memory of the thread: more than a page of 10,000 epochs takes, and an end of the thread alone. */
const MEMORY_MEGABYTES = 512;

/** A page that can be told of a run, and ended. */
export interface TrainingPage {
  show(run: string): void;
  end(): Promise<void>;
}

/**
 * Starts the page and says where it is. What keeps it from starting, or ends it later, is a warning: the training goes
 * on without it.
 */
export async function watchTraining(output: Output, port: number): Promise<TrainingPage> {
  const worker = new Worker(join(__dirname, '../../../pictures/live/worker.js'), {
    workerData: { watchPort: port } satisfies WatchData,
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MEGABYTES },
  });
  worker.unref();
  const warn = (reason: string): void =>
    output.warn({ code: 'WATCH_FAILED', message: `there is no live page: ${reason}` });
  let ended = false;
  const exited = new Promise<void>((resolve) => {
    worker.once('exit', () => {
      ended = true;
      resolve();
    });
  });
  const answer = await firstAnswer(worker);
  if ('error' in answer) {
    warn(answer.error);
    await worker.terminate();
  } else {
    announce(output, answer.url);
    worker.on('error', (error) => warn(error.message));
  }
  const tell = (order: WatchOrder): void => {
    if (!ended) worker.postMessage(order);
  };
  return {
    show: (run) => tell({ run }),
    end: async () => {
      if (ended) return;
      tell({ end: true });
      const late = setTimeout(() => void worker.terminate(), END_MILLISECONDS);
      await exited;
      clearTimeout(late);
    },
  };
}

async function firstAnswer(worker: Worker): Promise<WatchAnswer> {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve({ error: 'its thread does not answer' }), START_MILLISECONDS);
    const done = (answer: WatchAnswer): void => {
      clearTimeout(late);
      resolve(answer);
    };
    worker.once('message', done);
    worker.once('error', (error) => done({ error: error.message }));
  });
}
