// The live page of a training, on a thread of its own: what goes wrong here, or takes long, never touches the training.
import { parentPort, workerData } from 'node:worker_threads';
import { Board } from './board';
import { WatchServer } from './server';

/** What the thread is told: a run to show, or that it is to end. */
export type WatchOrder = { run: string } | { end: true };
/** What the thread answers: the address of the page, or why there is none. */
export type WatchAnswer = { url: string } | { error: string };

async function serve(port: number): Promise<void> {
  const board = new Board([]);
  const answer = (message: WatchAnswer): void => parentPort!.postMessage(message);
  try {
    const server = await WatchServer.start(board, port);
    parentPort!.on('message', (order: WatchOrder) => {
      if ('run' in order) board.add(order.run);
      else void server.close().finally(() => parentPort!.close());
    });
    answer({ url: server.url });
  } catch (error) {
    answer({ error: (error as Error).message });
  }
}

/** What the thread begins with. */
export interface WatchData {
  watchPort: number;
}

// A program, also one on a thread of its own, loads this module with all others: it does nothing there.
const { watchPort } = ((workerData as unknown) ?? {}) as Partial<WatchData>;
if (parentPort !== null && typeof watchPort === 'number') void serve(watchPort);
