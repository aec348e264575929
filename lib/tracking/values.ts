// What programs that follow experiments are told of a run: named numbers at steps, one step an epoch.
import { extendTimeline, timelineOf } from '../pictures/data/series';
import { Tail } from '../pictures/live/tail';
import type { ConvertedEvent, DoneEvent, EpochEvent } from '../train/run/events';
import { RunFolder } from '../train/run/run-folder';

/** A number by its name. */
export type NamedValue = readonly [name: string, value: number];

/** The numbers of one moment of a run. The steps count the epochs of all phases, one phase after the other. */
export interface StepValues {
  step: number;
  values: NamedValue[];
}

/** For each name the last step that has been recorded: what is resumed does not say it again. */
export type Recorded = Map<string, number>;

/** The values that are not recorded yet; they count as recorded from now on. */
export function unrecorded({ step, values }: StepValues, recorded: Recorded): NamedValue[] {
  const fresh = values.filter(([name]) => (recorded.get(name) ?? -1) < step);
  for (const [name] of fresh) recorded.set(name, step);
  return fresh;
}

/**
 * Reads the numbers of a run from its metrics.jsonl as it grows, so that nothing needs to be kept for a slow receiver.
 */
export class RunValues {
  readonly #tail: Tail;
  readonly #timeline = timelineOf([]);
  #step = 0;

  constructor(run: string) {
    this.#tail = new Tail(new RunFolder(run).metricsPath);
  }

  /** The step of the last epoch that was read. */
  get step(): number {
    return this.#step;
  }

  /** What has come since the last call, some moments at a time. Errors: ERR_IO. */
  async *fresh(): AsyncGenerator<StepValues[]> {
    for await (const { lines } of this.#tail.pieces()) yield lines.map((line) => this.#valuesOf(line));
  }

  #valuesOf(line: string): StepValues {
    const event = JSON.parse(line) as EpochEvent | ConvertedEvent;
    extendTimeline(this.#timeline, event);
    // Of the timeline its bands are enough to place an epoch.
    this.#step = this.#timeline.epochs.pop()?.x ?? this.#step;
    return { step: this.#step, values: event.event === 'epoch' ? epochValues(event) : convertedValues(event) };
  }
}

export function epochValues(event: EpochEvent): NamedValue[] {
  return present([
    ['loss/train', event.trainLoss],
    ['loss/validation', event.validationLoss],
    ['accuracy/train', event.trainAccuracy],
    ['accuracy/validation', event.validationAccuracy],
    ['learning_rate', event.learningRate],
    ['images_per_second', event.imagesPerSecond],
    ['seconds', event.seconds],
    ...(event.layers.length > 0 ? [['spikes_per_neuron', event.spikesPerNeuron] as const] : []),
    ...event.layers.map(({ layer, spikesPerNeuron }) => [`activity/${layer}`, spikesPerNeuron] as const),
    ...neurons(event.thresholds),
    ...neurons(event.leaks),
  ]);
}

export function convertedValues(event: ConvertedEvent): NamedValue[] {
  return present([
    ['test/ann', event.annTestAccuracy],
    ['test/binary', event.binaryTestAccuracy],
    ['test/converted', event.accuracy],
    ...neurons(event.thresholds),
  ]);
}

/** The results of a run, at its last step. */
export function doneValues(event: DoneEvent): NamedValue[] {
  return present([
    ...(event.converted.testAccuracy === null
      ? ([
          ['test/ann', event.ann.testAccuracy],
          ['test/binary', event.binary.testAccuracy],
        ] as const)
      : []),
    ['test/snn', event.snn.testAccuracy],
    ['test/spikes_per_neuron', event.snn.spikesPerNeuron],
    ['test/energy_ratio', event.energy.ratio],
    ['test/seconds', event.seconds],
  ]);
}

/** `layers.0.threshold` as `threshold/layers.0`, so that numbers of a kind stand together. */
function neurons(tensors: Record<string, number> = {}): NamedValue[] {
  return Object.entries(tensors).map(([name, value]) => {
    const at = name.lastIndexOf('.');
    return [`${name.slice(at + 1)}/${name.slice(0, at)}`, value] as const;
  });
}

function present(values: readonly (readonly [string, number | null])[]): NamedValue[] {
  return values.filter((pair): pair is NamedValue => pair[1] !== null && Number.isFinite(pair[1]));
}

/** The keys of a configuration that hold one value, as `ann.optimizer.learningRate`. */
export function parametersOf(value: unknown, path = ''): [string, string | number | boolean][] {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return [[path, value]];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, part]) => parametersOf(part, path === '' ? key : `${path}.${key}`));
}
