// What the methods of Network accept, and the checks that turn it into what native code takes.
import { types } from 'node:util';

import {
  checkBoolean,
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkSignal,
  checkTypedArray,
  expected,
} from '../../check';
import { NativeDataset } from '../../native/dataset';
import { LIMITS } from '../../native/limits';
import type { CheckedBatch, CheckedStep, Counters } from '../../native/network';
import { OneSpikeError } from '../../errors';
import { checkAugment, type Augment } from './augment';
import { checkOptimizer } from './optimizer';

/** What the same weights are: a spiking network (`snn`), or a ReLU network (`ann`). */
export type Mode = 'snn' | 'ann' | 'binary';
export const MODES: readonly Mode[] = ['snn', 'ann', 'binary'];

/** Labels: class numbers from 0 to K-1, one per image. */
export type Labels = ArrayLike<number> | BigInt64Array | BigUint64Array;

/** A batch of images: pixels (N, C, H, W) with labels, or rows of a data set in native memory. */
export type Batch =
  | {
      /** The pixels (N, C, H, W). */
      pixels: Uint8Array;
      /** The labels (N). */
      labels?: Labels | undefined;
    }
  | {
      /** The data set in native memory. */
      dataset: NativeDataset;
      /** Its rows, one per image of the batch. */
      indices: Uint32Array;
      /** The augmentation; none by default. */
      augment?: Augment | undefined;
      /** The shards that the rows are, one after the other; by default the batch is not divided. */
      shards?: BatchShards | undefined;
    };

/** How the images of a batch are divided into shards, whose gradients are added in one order. */
export interface BatchShards {
  /** The number of images of each shard, perhaps 0. */
  counts: number[];
  /** The position of the first image in the whole batch, of which other ranks may have parts. */
  first: number;
  /** The number of images of the whole batch. */
  images: number;
}

/** Sizes that a batch must fit. */
export interface BatchShape {
  input: readonly [number, number, number];
  classes: number;
}

/** Number of images in `pixels`. */
export function checkPixels(
  pixels: unknown,
  name: string,
  { input }: BatchShape,
): { pixels: Uint8Array; count: number } {
  const bytes = checkTypedArray(pixels, name, 'Uint8Array');
  const size = input[0] * input[1] * input[2];
  if (bytes.length === 0 || bytes.length % size !== 0) {
    const what = `a positive multiple of ${size} bytes (${input.join(' x ')} per image)`;
    throw new OneSpikeError('ERR_SHAPE', `Expected ${what} for ${name} but received ${bytes.length}`);
  }
  return { pixels: bytes, count: bytes.length / size };
}

/** Labels as Int32Array, each one checked to be a class. Always a copy: the caller's array may change. */
export function checkLabels(labels: unknown, name: string, count: number, classes: number): Int32Array {
  const list = labels as ArrayLike<number | bigint>;
  if (typeof labels !== 'object' || labels === null || types.isProxy(labels) || typeof list.length !== 'number')
    throw expected('an array of class numbers', name, labels);
  if (list.length !== count)
    throw new OneSpikeError(
      'ERR_SHAPE',
      `Expected ${count} labels (one per image) for ${name} but received ${list.length}`,
    );
  const result = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const label = list[i];
    const value = typeof label === 'bigint' ? Number(label) : label;
    if (!Number.isInteger(value) || value! < 0 || value! >= classes)
      throw expected(`a class from 0 to ${classes - 1}`, `${name}[${i}]`, label);
    result[i] = value!;
  }
  return result;
}

/** A batch and the number of its images. `labelled`: labels must come with it. */
export function checkBatch(
  batch: unknown,
  name: string,
  shape: BatchShape,
  labelled: boolean,
): { batch: CheckedBatch; count: number } {
  if (typeof batch !== 'object' || batch === null || Array.isArray(batch) || ArrayBuffer.isView(batch)) {
    throw expected('{ pixels, labels } or { dataset, indices }', name, batch);
  }
  return 'dataset' in batch ? checkRows(batch, name, shape, labelled) : checkImages(batch, name, shape, labelled);
}

function checkImages(
  batch: object,
  name: string,
  shape: BatchShape,
  labelled: boolean,
): { batch: CheckedBatch; count: number } {
  const { pixels: given, labels } = checkOptions(batch, name, ['pixels', 'labels']);
  const { pixels, count } = checkPixels(given, `${name}.pixels`, shape);
  if (labels === undefined && !labelled) return { batch: { pixels }, count };
  return { batch: { pixels, labels: checkLabels(labels, `${name}.labels`, count, shape.classes) }, count };
}

function checkRows(
  batch: object,
  name: string,
  shape: BatchShape,
  labelled: boolean,
): { batch: CheckedBatch; count: number } {
  const {
    dataset,
    indices: given,
    augment,
    shards,
  } = checkOptions(batch, name, ['dataset', 'indices', 'augment', 'shards']);
  if (!(dataset instanceof NativeDataset)) throw expected('a data set of createDataset', `${name}.dataset`, dataset);
  if (dataset.shape.some((side, i) => side !== shape.input[i])) {
    const received = dataset.shape.join(' x ');
    throw new OneSpikeError(
      'ERR_SHAPE',
      `Expected images of ${shape.input.join(' x ')} for ${name}.dataset but received ${received}`,
    );
  }
  if (labelled && !dataset.labelled)
    throw new OneSpikeError('ERR_ARG', `Expected a data set with labels for ${name}.dataset but received one without`);
  const indices = checkTypedArray(given, `${name}.indices`, 'Uint32Array');
  if (indices.length === 0 && shards === undefined)
    throw expected('at least one row', `${name}.indices`, indices, 'ERR_SHAPE');
  const wrong = indices.findIndex((row) => row >= dataset.count);
  if (wrong >= 0) throw expected(`a row from 0 to ${dataset.count - 1}`, `${name}.indices[${wrong}]`, indices[wrong]);
  const chosen = {
    augment: augment === undefined ? undefined : checkAugment(augment, `${name}.augment`),
    shards: shards === undefined ? undefined : checkShards(shards, `${name}.shards`, indices.length),
  };
  return { batch: { dataset, indices, ...chosen }, count: indices.length };
}

function checkShards(shards: unknown, name: string, rows: number): BatchShards {
  const { counts, first, images } = checkOptions(shards, name, ['counts', 'first', 'images']);
  const { min, max } = LIMITS.shards;
  if (!Array.isArray(counts) || counts.length < min || counts.length > max)
    throw expected(`a list of ${min} to ${max} numbers of images`, `${name}.counts`, counts);
  const list = counts.map((count: unknown, i) => checkInteger(count, `${name}.counts[${i}]`, { min: 0 }));
  const sum = list.reduce((all, count) => all + count, 0);
  if (sum !== rows) throw expected(`numbers with the sum ${rows}, one image for each row`, `${name}.counts`, sum);
  const whole = checkInteger(images, `${name}.images`, { min: Math.max(rows, 1), max: LIMITS.images.max });
  return { counts: list, first: checkInteger(first, `${name}.first`, { min: 0, max: whole - rows }), images: whole };
}

/** The steps of one call. */
export function checkSteps(steps: unknown, shape: BatchShape): CheckedStep[] {
  if (!Array.isArray(steps) || steps.length < 1 || steps.length > LIMITS.steps.max)
    throw expected(`a list of 1 to ${LIMITS.steps.max} steps { batch, optimizer }`, 'steps', steps);
  return Array.from(steps, (step: unknown, i) => {
    const { batch, optimizer } = checkOptions(step, `steps[${i}]`, ['batch', 'optimizer']);
    return {
      batch: checkBatch(batch, `steps[${i}].batch`, shape, true).batch,
      optimizer: checkOptimizer(optimizer, `steps[${i}].optimizer`),
    };
  });
}

/** The batch to prepare while another one is computed, if there is one. */
export function checkNext(next: unknown, shape: BatchShape): CheckedBatch | null {
  if (next === undefined) return null;
  const { batch } = checkBatch(next, 'next', shape, true);
  if (!('dataset' in batch))
    throw new OneSpikeError(
      'ERR_ARG',
      'Expected { dataset, indices } for next but received pixels, which need no preparation',
    );
  return batch;
}

/** The options that all jobs share, and all that were given; `allowed` are the ones the method knows. */
export function checkJob(
  options: unknown,
  allowed: readonly string[] = ['mode', 'signal'],
): { mode: Mode; signal: AbortSignal | undefined; given: Record<string, unknown> } {
  const given = checkOptions(options, 'options', allowed);
  const mode = checkOneOf(given['mode'] === undefined ? 'snn' : given['mode'], 'mode', MODES);
  return { mode, signal: checkSignal(given['signal'], 'signal'), given };
}

/** Whether images may end before T. */
export function checkEarlyExit(given: Record<string, unknown>, mode: Mode, { coded }: { coded: boolean }): boolean {
  const earlyExit = checkBoolean(given['earlyExit'] ?? false, 'earlyExit');
  if (earlyExit && mode !== 'snn')
    throw new OneSpikeError('ERR_ARG', `Expected mode 'snn' for earlyExit but received '${mode}', which has no time`);
  if (earlyExit && coded)
    throw new OneSpikeError('ERR_ARG', 'Expected no earlyExit but received true: a network with a code has no steps');
  return earlyExit;
}

export function checkCounters(counters: unknown): Counters {
  const given = checkOptions(counters, 'counters', ['optimizerSteps', 'randomStep', 'activity']);
  const { optimizerSteps, randomStep, activity = 0 } = given;
  return {
    optimizerSteps: checkInteger(optimizerSteps, 'counters.optimizerSteps', { min: 0 }),
    randomStep: checkInteger(randomStep, 'counters.randomStep', { min: 0 }),
    activity: checkNumber(activity, 'counters.activity', LIMITS.activityTarget),
  };
}

/** Tensor values by name: from a Map or a plain object, of Float32Array or of { shape, data }. */
export function namedTensors(tensors: unknown, name: string): [string, Float32Array][] {
  const kind = Object.prototype.toString.call(tensors); // by tag, for maps and objects of another realm
  if (kind !== '[object Map]' && kind !== '[object Object]')
    throw expected('a Map or an object of Float32Array', name, tensors);
  const entries: [unknown, unknown][] =
    kind === '[object Map]' ? [...(tensors as Map<unknown, unknown>)] : Object.entries(tensors as object);
  return entries.map(([key, value]) => {
    if (typeof key !== 'string') throw expected('names of tensors', `the keys of ${name}`, key);
    const data =
      typeof value === 'object' && value !== null && 'data' in value ? (value as { data: unknown }).data : value;
    return [key, checkTypedArray(data, `${name} '${key}'`, 'Float32Array')];
  });
}
