// Runs as folders, as training would have written them.
import type { EpochEvent, Phase } from '../../../lib/train/run/events';

/** Epochs of one phase, with numbers that differ from each other. */
export function epochs(phase: Phase, count: number): EpochEvent[] {
  return Array.from({ length: count }, (_, i) => ({
    event: 'epoch',
    phase,
    epoch: i + 1,
    epochs: count,
    trainLoss: 2 / (i + 1) + 0.0123456789,
    trainAccuracy: 1 - 1 / (i + 2),
    validationLoss: 2.1 / (i + 1),
    validationAccuracy: 1 - 1.1 / (i + 2),
    learningRate: 0.01 / (i + 1),
    imagesPerSecond: 1000 + i,
    spikesPerNeuron: phase === 'snn' ? 0.2 + i / (10 * count) : 0,
    layers: phase === 'snn' ? [{ layer: 'layers.0', neurons: 1536, spikesPerNeuron: 0.2 + i / (10 * count) }] : [],
    best: true,
    stopsEarly: false,
    seconds: 1.5,
    cpuSeconds: 2.5,
  }));
}

/** The text of a metrics.jsonl. */
export function metricsText(events: readonly object[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join('');
}
