// Progress events: when one is due, and what it says.
import type { Phase, ProgressEvent } from '../run/events';
import type { Session } from './session';

/** A period of wall time that comes round again and again. */
export class Interval {
  private last = performance.now();

  constructor(private readonly seconds: number) {}

  /** True once the period has passed, which begins the next one. */
  due(): boolean {
    const now = performance.now();
    if (now - this.last < this.seconds * 1000) return false;
    this.last = now;
    return true;
  }
}

/** What has been computed so far: means over the images, and the time that they took. */
export interface Totals {
  loss: number;
  accuracy: number;
  count: number;
  seconds: number;
}

export function progressEvent(
  session: Session,
  place: Pick<ProgressEvent, 'phase' | 'activity' | 'step' | 'steps' | 'spikesPerNeuron'>,
  totals: Totals,
): ProgressEvent {
  const { epochs } = session.config[place.phase satisfies Phase];
  return {
    event: 'progress',
    ...place,
    epoch: Math.min(session.state.epoch + 1, epochs),
    epochs,
    images: totals.count,
    imagesPerSecond: totals.count / totals.seconds,
    loss: totals.loss,
    accuracy: totals.accuracy,
  };
}
