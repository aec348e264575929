// A program that follows experiments, as a training sees it. An error of a method ends the following, not the training.
import type { DoneEvent } from '../train/run/events';

export interface Tracker {
  /** The run has begun or goes on, in this folder. */
  begin(run: string): Promise<void>;
  /** There is more in metrics.jsonl. */
  update(): Promise<void>;
  /** The run has its results. */
  done(event: DoneEvent): Promise<void>;
  /** The training has ended. */
  end(status: 'finished' | 'failed' | 'killed'): Promise<void>;
}
