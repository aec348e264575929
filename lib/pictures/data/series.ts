// The events of a run as points over its epochs, phase after phase, few enough to be drawn.
import type { ConvertedEvent, EpochEvent, Phase } from '../../train/run/events';
import type { Band, Point } from '../draw/lines';

export const phaseNames: Record<Phase, string> = { ann: 'ANN', binary: 'binary ANN', snn: 'SNN' };

/** One epoch, with its place on the common axis. */
export interface Epoch extends EpochEvent {
  x: number;
}

export interface Timeline {
  bands: (Band & { phase: Phase })[];
  epochs: Epoch[];
  converted: ConvertedEvent | null;
}

/** The epochs one behind the other in the order of the phases. */
export function timelineOf(metrics: readonly (EpochEvent | ConvertedEvent)[]): Timeline {
  const timeline: Timeline = { bands: [], epochs: [], converted: null };
  for (const event of metrics) extendTimeline(timeline, event);
  return timeline;
}

/** Adds the event that follows. */
export function extendTimeline(timeline: Timeline, event: EpochEvent | ConvertedEvent): void {
  if (event.event === 'converted') {
    timeline.converted ??= event;
    return;
  }
  const { bands, epochs } = timeline;
  let band = bands.at(-1);
  if (band?.phase !== event.phase) {
    const from = band === undefined ? 0 : band.from + band.epochs;
    band = { phase: event.phase, name: phaseNames[event.phase], from, epochs: 0 };
    bands.push(band);
  }
  band.epochs = Math.max(band.epochs, event.epoch);
  epochs.push({ ...event, x: band.from + event.epoch });
}

/** The epoch of the last phase with the highest accuracy on validation images; undefined without any. */
export function topEpoch(epochs: readonly Epoch[]): Epoch | undefined {
  const phase = epochs.at(-1)?.phase;
  let top: Epoch | undefined;
  for (const epoch of epochs)
    if (epoch.phase === phase && (epoch.validationAccuracy ?? -1) > (top?.validationAccuracy ?? -1)) top = epoch;
  return top;
}

/** A curve is drawn from at most about this many points. */
export const MOST_POINTS = 600;

/**
 * Fewer points of a curve, in order: of every stretch of the axis the lowest and the highest, so that no peak is lost;
 * the first and the last stay.
 */
export function reduced(points: readonly Point[], most = MOST_POINTS): readonly Point[] {
  if (points.length <= most) return points;
  const stretches = Math.floor((most - 2) / 2);
  const inner = points.slice(1, -1);
  const kept: Point[] = [points[0]!];
  for (let i = 0; i < stretches; i++) {
    const stretch = inner.slice(
      Math.floor((i * inner.length) / stretches),
      Math.floor(((i + 1) * inner.length) / stretches),
    );
    let [low, high] = [0, 0];
    stretch.forEach(({ y }, at) => {
      if (y < stretch[low]!.y) low = at;
      if (y > stretch[high]!.y) high = at;
    });
    for (const at of low === high ? [low] : [Math.min(low, high), Math.max(low, high)]) kept.push(stretch[at]!);
  }
  kept.push(points.at(-1)!);
  return kept;
}

/** The points of one quantity; epochs that do not have it are left out. */
export function pointsOf(
  epochs: readonly Epoch[],
  value: (epoch: Epoch) => number | null | undefined,
): readonly Point[] {
  const points = epochs.flatMap((epoch) => {
    const y = value(epoch);
    return typeof y === 'number' ? [{ x: epoch.x, y }] : [];
  });
  return reduced(points);
}

/** At most `most` entries at equal distances, the last one among them. */
export function thinned<T>(list: readonly T[], most: number): T[] {
  if (list.length <= most) return [...list];
  return Array.from({ length: most }, (_, i) => list[Math.round((i * (list.length - 1)) / (most - 1))]!);
}
