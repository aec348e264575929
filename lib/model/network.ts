// Class Network: a spiking network on a backend.
import { availableParallelism, totalmem } from 'node:os';

import { checkBoolean, checkInteger, checkNumber, checkObject, checkOneOf, checkOptions } from '../check';
import { NativeNetwork, type NativeCounters } from '../native/network';
import { resolveBackend, type BackendName, type ChosenBackend } from '../native/devices';
import { OneSpikeError } from '../errors';
import { anytime, argmax, type Anytime } from './anytime';
import { layerShapes, resolveNetwork, type NetworkDescription, type ResolvedNetwork } from './description';
import { forwardInPieces, imagesPerCall, type StepStats } from './forward';
import { readModel, writeModel, type FloatTensor } from './model-file';
import {
  checkBatch,
  checkCounters,
  checkEarlyExit,
  checkJob,
  checkLabels,
  checkNext,
  checkOptimizer,
  checkPixels,
  checkSteps,
  namedTensors,
  type Batch,
  type Labels,
} from './network-inputs';
import type {
  CalibrateOptions,
  EvaluateOptions,
  ForwardOptions,
  ForwardResult,
  GradientsResult,
  JobOptions,
  NetworkOptions,
  Precision,
  ProfileEntry,
  TrainStep,
  TrainStepOptions,
  TrainStepsOptions,
} from './network-options';
import {
  readOptimizerState,
  readTensors,
  tensorShapes,
  writeOptimizerState,
  writeParameters,
  type OptimizerState,
  type TensorShape,
} from './network-state';
import { SpikeTimes } from './spike-times';

export type * from './network-options';
export type { Augment, Batch, Labels, Mode, OptimizerOptions } from './network-inputs';
export type { StepStats } from './forward';
export type { OptimizerState } from './network-state';

const optionNames = ['backend', 'device', 'seed', 'threads', 'precision', 'profile'] as const;
export const PRECISIONS = ['fp32', 'mixed'] as const;

/**
 * Parameters and buffers in native memory, and the work on them. Jobs are asynchronous and run on threads of their own,
 * one at a time per network. Arrays handed to a job must not change until its promise settles.
 *
 * Every method may fail with ERR_ARG or ERR_SHAPE (the arguments) and ERR_STATE (disposed); jobs and access to
 * parameters with ERR_BUSY while another job runs; jobs with ERR_ABORTED and ERR_OOM.
 */
export class Network {
  readonly description: Readonly<ResolvedNetwork>;
  readonly backend: BackendName;
  /** Number of the GPU; null on the CPU. */
  readonly device: number | null;
  /** The processor that does the work, for people to read. */
  readonly processor: string;
  readonly seed: number;
  readonly threads: number;
  readonly precision: Precision;
  /** Training steps that are worth one call of `trainSteps`: 1 on the CPU, where each call waits for its end anyway. */
  readonly stepsAtOnce: number;
  /** Spiking layers in order, the output layer last: entry in the layer list, and neurons per image. */
  readonly layers: readonly { readonly layer: number; readonly neurons: number }[];

  readonly #native: NativeNetwork;
  readonly #tensors: readonly TensorShape[];
  readonly #shape: { input: readonly [number, number, number]; classes: number };
  #job: Promise<unknown> | undefined;

  private constructor(
    description: ResolvedNetwork,
    chosen: ChosenBackend,
    given: { seed: number; threads: number; precision: Precision; profile: boolean },
  ) {
    if (chosen.backend === 'cpu') checkMemory(description);
    const { name: _, ...spec } = description;
    this.#native = new NativeNetwork({ ...spec, ...given, backend: chosen.backend, device: chosen.device ?? 0 });
    this.description = deepFreeze(description);
    this.backend = chosen.backend;
    this.device = chosen.device;
    this.processor = chosen.processor;
    this.seed = given.seed;
    this.threads = given.threads;
    this.precision = given.precision;
    this.stepsAtOnce = this.#native.stepsAtOnce();
    this.layers = deepFreeze(this.#native.layers());
    this.#tensors = tensorShapes(this.#native);
    this.#shape = { input: description.input, classes: description.layers.at(-1)!.out };
  }

  /**
   * A new network with random weights.
   * Errors: ERR_ARG and ERR_SHAPE (the description, with the place of the fault), ERR_NO_BACKEND, ERR_OOM.
   */
  static async create(description: NetworkDescription, options?: NetworkOptions): Promise<Network> {
    const { backend, device, seed, threads, precision, profile } = checkOptions(options, 'options', optionNames);
    const resolved = resolveNetwork(description);
    const checkedSeed = checkInteger(seed === undefined ? 0 : seed, 'seed', { min: 0 });
    const wanted = checkInteger(threads === undefined ? 0 : threads, 'threads', { min: 0, max: 1024 });
    const given = precision === undefined ? undefined : checkOneOf(precision, 'precision', PRECISIONS);
    const chosen = resolveBackend(backend, device);
    return new Network(resolved, chosen, {
      seed: checkedSeed,
      threads: wanted === 0 ? availableParallelism() : wanted,
      precision: given ?? (chosen.backend === 'cuda' ? 'mixed' : 'fp32'),
      profile: checkBoolean(profile ?? false, 'profile'),
    });
  }

  /** The network of a model file or checkpoint: its architecture and its parameters. Errors: ERR_IO, ERR_FORMAT. */
  static async open(path: string, options?: NetworkOptions): Promise<Network> {
    checkOptions(options, 'options', optionNames);
    const { network: description, tensors } = await readModel(path);
    const network = await Network.create(description, options);
    network.setParameters(tensors);
    return network;
  }

  /** Alias of `Network.open`. */
  static load(path: string, options?: NetworkOptions): Promise<Network> {
    return Network.open(path, options);
  }

  /** Takes the parameters of a model file; its tensors must be exactly those of this network. Errors: ERR_IO, ERR_FORMAT, ERR_SHAPE. */
  async load(path: string): Promise<void> {
    const { tensors } = await readModel(path);
    const missing = this.#tensors.find(({ name }) => !tensors.has(name));
    if (missing !== undefined)
      throw new OneSpikeError(
        'ERR_SHAPE',
        `Expected a tensor ${missing.name} for ${path} but received none: it holds another network`,
      );
    this.setParameters(tensors);
  }

  /** Writes architecture and parameters, atomically. `metadata`: further entries of the file. Errors: ERR_IO. */
  async save(path: string, metadata?: Record<string, string>): Promise<void> {
    const extra = checkObject(metadata, 'metadata') as Record<string, string>;
    await writeModel(path, this.description, this.parameters(), { extra });
  }

  /** Runs images (N, C, H, W) through the network; any number of them. */
  async forward(pixels: Uint8Array, options?: ForwardOptions): Promise<ForwardResult> {
    const { mode, signal, given } = checkJob(options, ['mode', 'signal', 'trace', 'potentials', 'earlyExit']);
    const trace = checkBoolean(given['trace'] ?? false, 'trace');
    const traced = checkBoolean(given['potentials'] ?? false, 'potentials');
    if (mode === 'ann' && (trace || traced))
      throw new OneSpikeError(
        'ERR_ARG',
        "Expected mode 'snn' for trace and potentials but received 'ann', which has no time",
      );
    const earlyExit = checkEarlyExit(given, mode);
    if (earlyExit && (trace || traced))
      throw new OneSpikeError(
        'ERR_ARG',
        'Expected earlyExit without trace and potentials but received both: steps after the decision are not computed',
      );
    const batch = checkPixels(pixels, 'pixels', this.#shape);
    const { count } = batch;
    const { classes, input } = this.#shape;
    const steps = this.description.timesteps;
    const neurons = this.layers.map((layer) => layer.neurons);
    const out = allocate(() => ({
      logits: new Float32Array(count * classes),
      decisionSteps: earlyExit ? new Uint8Array(count) : undefined,
      potentials: traced ? new Float32Array(count * steps * classes) : undefined,
      spikeTimes: trace ? neurons.map((size) => new Uint8Array(count * size)) : undefined,
    }));
    const bytes =
      input[0] * input[1] * input[2] +
      4 * classes * (traced ? steps + 1 : 1) +
      (trace ? neurons.reduce((sum, size) => sum + size, 0) : 0);
    const stats = await this.#exclusive(() =>
      forwardInPieces(this.#native, { pixels: batch.pixels }, count, imagesPerCall(bytes), mode, out, signal),
    );
    const predictions = Int32Array.from({ length: count }, (_, n) => argmax(out.logits, n * classes, classes));
    const result: ForwardResult = { logits: out.logits, predictions, stats };
    if (out.decisionSteps) result.decisionSteps = out.decisionSteps;
    if (out.potentials) result.potentials = out.potentials;
    if (out.spikeTimes)
      result.spikeTimes = new SpikeTimes(out.spikeTimes.map((times, i) => [`layers.${this.layers[i]!.layer}`, times]));
    return result;
  }

  /** With the option `profile`: what the operations took since the last call. */
  profile(): ProfileEntry[] {
    return this.#native.profile();
  }

  /** Predictions after each time step, from the `potentials` of a forward pass. */
  anytime(potentials: Float32Array): Anytime {
    const { timesteps, alpha, beta } = this.description;
    const threshold = new Float32Array(1);
    this.#native.read('parameter', `layers.${this.layers.at(-1)!.layer}.threshold`, threshold);
    return anytime(potentials, { classes: this.#shape.classes, timesteps, threshold: threshold[0]!, alpha, beta });
  }

  /** Loss and gradients of one batch; the parameters stay as they are. */
  async gradients(pixels: Uint8Array, labels: Labels, options?: JobOptions): Promise<GradientsResult> {
    const { mode, signal } = checkJob(options);
    const batch = checkPixels(pixels, 'pixels', this.#shape);
    const classes = checkLabels(labels, 'labels', batch.count, this.#shape.classes);
    return this.#exclusive(async () => {
      const stats = await this.#native.gradients({ pixels: batch.pixels, labels: classes }, mode, signal);
      const gradients = new Map(
        [...readTensors(this.#native, 'gradient', this.#tensors)].map(([name, { data }]) => [name, data]),
      );
      return { loss: stats.loss, gradients, stats };
    });
  }

  /**
   * One step of training. If the loss or a gradient is not finite, `stats.badLayer` says where it began and the
   * parameters stay as they were, as they do when the step rejects. An abort that comes too late for the step resolves.
   */
  async trainStep(batch: Batch, options: TrainStepOptions): Promise<StepStats> {
    const { mode, signal, given } = checkJob(options, ['mode', 'signal', 'optimizer', 'next']);
    const optimizer = checkOptimizer(given['optimizer']);
    const step = { batch: checkBatch(batch, 'batch', this.#shape, true).batch, optimizer };
    const next = checkNext(given['next'], this.#shape);
    const [stats] = await this.#exclusive(() => this.#native.train([step], next, mode, signal));
    return stats!;
  }

  /**
   * Steps of training one after the other, to the same bits as by `trainStep`. A GPU goes from one to the next without the host;
   * `stepsAtOnce` of them make its waits too short to matter. Resolves with the results of the steps that were made, at least one: fewer
   * than `steps` if the signal fired on the way, if one was not finite (it is the last) or if the next failed; a call that begins with
   * that one rejects.
   */
  async trainSteps(steps: readonly TrainStep[], options?: TrainStepsOptions): Promise<StepStats[]> {
    const { mode, signal, given } = checkJob(options, ['mode', 'signal', 'next']);
    const checked = checkSteps(steps, this.#shape);
    const next = checkNext(given['next'], this.#shape);
    return this.#exclusive(() => this.#native.train(checked, next, mode, signal));
  }

  /** Loss, accuracy and activity of any number of images; the parameters stay as they are. */
  async evaluate(batch: Batch, options?: EvaluateOptions): Promise<StepStats> {
    const { mode, signal, given } = checkJob(options, ['mode', 'signal', 'earlyExit']);
    const earlyExit = checkEarlyExit(given, mode);
    const { batch: checked, count } = checkBatch(batch, 'batch', this.#shape, true);
    const { input } = this.#shape;
    // Augmentation is a function of the position in the batch, so an augmented one stays whole.
    const whole = 'dataset' in checked && checked.augment !== undefined;
    const step = whole ? count : imagesPerCall(input[0] * input[1] * input[2]);
    return this.#exclusive(() =>
      forwardInPieces(
        this.#native,
        checked,
        count,
        step,
        mode,
        { decisionSteps: earlyExit ? new Uint8Array(count) : undefined },
        signal,
      ),
    );
  }

  /** Sets each threshold to a percentile of its layer's weighted input over the batch, times `scale`; leaks become 1. */
  async calibrate(batch: Batch, options?: CalibrateOptions): Promise<void> {
    const { signal, given } = checkJob(options, ['percentile', 'scale', 'signal']);
    const percentile = checkNumber(given['percentile'] === undefined ? 99.7 : given['percentile'], 'percentile', {
      min: 0,
      max: 100,
    });
    const scale = checkNumber(given['scale'] === undefined ? 1 : given['scale'], 'scale', { min: 1e-6, max: 1e6 });
    const { batch: checked } = checkBatch(batch, 'batch', this.#shape, false);
    return this.#exclusive(() => this.#native.calibrate(checked, percentile, scale, signal));
  }

  /** Copies of all parameters, `layers.I.weight|bias|threshold|leak`, in PyTorch's layout. */
  parameters(): Map<string, FloatTensor> {
    this.#checkIdle();
    return readTensors(this.#native, 'parameter', this.#tensors);
  }

  /** Replaces the given parameters: all of them, or none if one is wrong. Takes what `parameters()` returns as well. */
  setParameters(
    parameters: ReadonlyMap<string, Float32Array | FloatTensor> | Record<string, Float32Array | FloatTensor>,
  ): void {
    this.#checkIdle();
    writeParameters(this.#native, this.#tensors, namedTensors(parameters, 'parameters'));
  }

  /** Momentum, Adam's moments and the counters: with the parameters, all that training needs to go on to the same bits. */
  optimizerState(): OptimizerState {
    this.#checkIdle();
    return readOptimizerState(this.#native, this.#tensors);
  }

  /** Replaces the whole state; slots that are not given become zero. */
  setOptimizerState(state: { slots: ReadonlyMap<string, Float32Array | FloatTensor>; counters: NativeCounters }): void {
    this.#checkIdle();
    const { slots, counters } = checkOptions(state, 'state', ['slots', 'counters']);
    writeOptimizerState(this.#native, this.#tensors, namedTensors(slots, 'slots'), checkCounters(counters));
  }

  /** Forgets momentum, moments and the number of optimiser steps. */
  resetOptimizer(): void {
    this.#checkIdle();
    this.#native.resetOptimizer();
  }

  /** Optimiser steps made, and the position of the random stream behind dropout and the rate encoder. */
  counters(): NativeCounters {
    this.#checkIdle();
    return this.#native.counters();
  }

  setCounters(counters: NativeCounters): void {
    this.#checkIdle();
    this.#native.setCounters(checkCounters(counters));
  }

  /** Bytes of native memory held when the last job ended. */
  memoryBytes(): number {
    return this.#native.memory();
  }

  /** Frees the native memory; a running job is aborted first. Idempotent; later calls of other methods fail with ERR_STATE. */
  async dispose(): Promise<void> {
    this.#native.dispose();
    await this.#job?.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #checkIdle(): void {
    this.#native.memory(); // a disposed network is ERR_STATE, whatever its last job still does
    if (this.#job !== undefined)
      throw new OneSpikeError(
        'ERR_BUSY',
        'Expected an idle network but received one that runs a job; await it or abort it first',
      );
  }

  /** A job may consist of several native ones: the network is busy from the first to the last. */
  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    this.#checkIdle();
    const job = work();
    this.#job = job;
    try {
      return await job;
    } finally {
      this.#job = undefined;
    }
  }
}

/** Linux grants memory that it does not have and kills the process later, so what cannot fit is refused at once. */
function checkMemory(description: ResolvedNetwork): void {
  const parameters = layerShapes(description).reduce((sum, layer) => sum + layer.parameters, 0);
  const needed = parameters * 4 * 4; // float32: parameters, gradients, and packed copies for both directions
  const available = Math.min(totalmem(), process.constrainedMemory() || Infinity);
  if (needed > available) {
    throw new OneSpikeError(
      'ERR_OOM',
      `Expected a network of at most ${available} bytes but received one of ${parameters} parameters, which needs ${needed}`,
    );
  }
}

/** Allocation that reports the lack of memory by its code. */
function allocate<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new OneSpikeError('ERR_OOM', 'Out of memory: no room for the results of this many images', { cause });
  }
}

/** Freezes a plain value and all it holds. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
