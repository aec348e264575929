// A run that has ended, with the record of its test images.
import { join } from 'node:path';
import type { DoneEvent, Phase } from '../../../lib/train/run/events';
import { writeTestRecord, type Example } from '../../../lib/train/run/test-record';
import { runInfo, writeRun } from '../../pictures/support/run-folder';
import { epochs } from '../../pictures/support/runs';

export const metricsOf = (ann: number, snn: number): object[] => [
  ...epochs('ann', ann),
  {
    event: 'converted',
    accuracy: 0.25,
    validationAccuracy: 0.3,
    annTestAccuracy: 0.75,
    binaryTestAccuracy: null,
    thresholds: { 'layers.0.threshold': 1.5, 'layers.2.threshold': 2.5 },
    spikesPerNeuron: 0.2,
    layers: [],
  },
  ...epochs('snn', snn),
];

export const doneOf = (run: string): DoneEvent => ({
  event: 'done',
  run,
  model: 'tiny',
  dataset: 'shapes',
  ann: { testAccuracy: 0.75 },
  binary: { testAccuracy: null },
  converted: { testAccuracy: 0.25 },
  snn: { testAccuracy: 0.5, spikesPerNeuron: 0.125, layers: [] },
  energy: { ratio: 4 } as never,
  seconds: 12,
  cpuSeconds: 20,
});

/** How often the neurons of a layer fired: never, and at the steps 1 to 4. */
export const spikeCounts = [10, 1, 2, 3, 4];

/** Writes test.safetensors: two images, one convolution and the output layer. */
export async function writeRecord(run: string): Promise<void> {
  const { classes } = runInfo().dataset;
  const example = (row: number): Example => ({
    row,
    label: row,
    probabilities: Float32Array.from(classes, () => 0.1),
    pixels: Uint8Array.from({ length: 3 * 32 * 32 }, (_, i) => i % 256),
    answers: Int32Array.of(0, 1, 2, 2),
    maps: [
      { layer: 0, shape: [6, 16, 16], times: Uint8Array.from({ length: 6 * 256 }, (_, i) => i % 5) },
      { layer: 4, shape: [10], times: Uint8Array.from({ length: 10 }, (_, i) => i % 5) },
    ],
  });
  await writeTestRecord(join(run, 'test.safetensors'), {
    mode: 'snn' satisfies Phase,
    classes,
    input: [3, 32, 32],
    answers: {
      labels: Int32Array.of(0, 1),
      predictions: Int32Array.of(0, 1),
      probabilities: Float32Array.of(0.1, 0.1),
      ranks: Int32Array.of(0, 0),
    },
    times: [{ layer: 0, neurons: 5, images: 4, counts: Float64Array.from(spikeCounts) }],
    neurons: [],
    energy: null,
    worst: [example(0)],
    best: [example(1)],
  });
}

/** A run that has two epochs of each phase behind it. */
export async function endedRun(path: string): Promise<void> {
  writeRun(path, metricsOf(2, 2));
  await writeRecord(path);
}
