/// <reference lib="esnext.disposable" preserve="true" />
// Class Network: a spiking network on a backend. Declarations keep the first line, for Symbol.asyncDispose.
import { checkObject, checkOptions } from '../check';
import type { BackendName } from '../native/devices';
import { NativeNetwork, type Counters, type ProfileEntry, type Recorded, type StepStats } from '../native/network';
import { OneSpikeError } from '../errors';
import { anytime, type Anytime } from './anytime';
import { checkMemory, checkNetworkOptions, deepFreeze, type CheckedOptions } from './network/creation';
import { resolveNetwork } from './description';
import type { CodedNetworkDescription, NetworkDescription, ResolvedNetwork } from './description';
import { evaluateAll, evaluatePieces, forwardJob, planEvaluation, sizesOf, type NetworkSizes } from './network/forward';
import type { SpikingLayer } from './layer';
import { readModel, writeModel } from './model-file';
import { checkCounters, namedTensors, type Batch, type Labels } from './network/inputs';
import type {
  CalibrateOptions,
  EvaluateInPiecesOptions,
  EvaluateOptions,
  ForwardOptions,
  ForwardResult,
  GivenTensors,
  GradientsOptions,
  GradientsResult,
  NetworkOptions,
  ParametersOptions,
  PieceStats,
  Precision,
  ReadParametersOptions,
  RescaleOptions,
  TrainStep,
  TrainStepOptions,
  TrainStepsOptions,
} from './network/options';
import {
  readOptimizerState,
  readParametersJob,
  tensorShapes,
  writeOptimizerStateJob,
  writeParametersJob,
  writeValues,
  type OptimizerState,
  type TensorShape,
} from './network/state';
import { readoutJob } from './code/readout';
import { fitGenesJob, type FitGenesOptions, type GeneFit } from './genes/fit';
import { tensorsFor } from './network/load';
import { rescaleJob } from './network/rescale';
import { simulateJob, type SimulationResult } from './network/simulation';
import type { SimulateOptions } from './network/simulation-options';
import {
  calibrateJob,
  gradientsJob,
  givenTeacher,
  trainStepJob,
  trainStepsJob,
  type Learner,
} from './network/training';
import type { FloatTensor } from './parameters';

export { PRECISIONS } from './network/creation';
export type * from './network/options';

/**
 * A spiking network, whose parameters and buffers lie in native memory. Methods that return a promise are jobs: they
 * run on threads of their own, one at a time per network. Arrays handed to a job must not change until it settles.
 *
 * Every method may fail with ERR_ARG or ERR_SHAPE (the arguments) and ERR_STATE (disposed); jobs also with ERR_BUSY
 * while another one runs, ERR_ABORTED and ERR_OOM.
 */
export class Network {
  /** The description of the network, with every default filled in. */
  readonly description: Readonly<ResolvedNetwork>;
  /** The backend that computes. */
  readonly backend: BackendName;
  /** The number of the GPU; null on the CPU. */
  readonly device: number | null;
  /** The processor that does the work, as text. */
  readonly processor: string;
  /** The seed of the initial weights, of dropout and of the rate encoder. */
  readonly seed: number;
  /** The number of compute threads on the CPU. */
  readonly threads: number;
  /** The precision of dense products. */
  readonly precision: Precision;
  /** The number of training steps worth one call of `trainSteps`: 1 on the CPU, where every call waits. */
  readonly stepsAtOnce: number;
  /** The spiking layers in order, the output layer last. */
  readonly layers: readonly SpikingLayer[];

  readonly #native: NativeNetwork;
  readonly #tensors: readonly TensorShape[];
  readonly #sizes: NetworkSizes;
  #job: Promise<unknown> | undefined;

  private constructor(native: NativeNetwork, description: ResolvedNetwork, { chosen, ...given }: CheckedOptions) {
    this.#native = native;
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
    this.#sizes = sizesOf(description, this.layers);
  }

  /**
   * A new network with random weights.
   * Errors: ERR_ARG and ERR_SHAPE (the description, with the place of the fault), ERR_NO_BACKEND, ERR_OOM.
   */
  static async create(
    description: NetworkDescription | CodedNetworkDescription,
    options?: NetworkOptions,
  ): Promise<Network> {
    return Network.#create(resolveNetwork(description), checkNetworkOptions(options));
  }

  /** The network of a model file or checkpoint: its architecture and its parameters. Errors: ERR_IO, ERR_FORMAT. */
  static async open(path: string, options?: NetworkOptions): Promise<Network> {
    const given = checkNetworkOptions(options);
    const { network: description, tensors } = await readModel(path);
    const network = await Network.#create(description, given);
    try {
      const values = [...tensors].map(([name, { data }]) => ({ kind: 'parameter' as const, name, data }));
      await network.#exclusive(() => writeValues(network.#native, values));
      return network;
    } catch (error) {
      await network.dispose();
      throw error;
    }
  }

  static async #create(description: ResolvedNetwork, given: CheckedOptions): Promise<Network> {
    const { chosen, ...options } = given;
    if (chosen.backend === 'cpu') checkMemory(description);
    const { name: _, ...spec } = description;
    const on = { ...spec, ...options, backend: chosen.backend, device: chosen.device ?? 0 };
    return new Network(await NativeNetwork.create(on), description, given);
  }

  /**
   * Takes the parameters of a model file, or of a safetensors file without an architecture; the tensors must be exactly
   * those of this network, but for schedules: the first ones, or the last repeated, or where the file has none its own.
   * One with a code takes the weights of one without, `radix` for plain pixels. Errors: ERR_IO, ERR_FORMAT, ERR_SHAPE.
   */
  async load(path: string): Promise<void> {
    await this.setParameters(await tensorsFor(path, this.description, this.#tensors));
  }

  /** Writes architecture and parameters, atomically. `metadata`: further entries of the file. Errors: ERR_IO. */
  async save(path: string, metadata?: Record<string, string>, options?: ParametersOptions): Promise<void> {
    const extra = checkObject(metadata, 'metadata') as Record<string, string>;
    await writeModel(path, this.description, await this.parameters(options), { extra });
  }

  /** Runs images (N, C, H, W) through the network; any number of them. */
  async forward(pixels: Uint8Array, options?: ForwardOptions): Promise<ForwardResult> {
    return this.#exclusive(forwardJob(this.#native, this.#sizes, pixels, options));
  }

  /** Returns whether the steps so far ran as CUDA graphs, and why not. Errors: ERR_BUSY, ERR_STATE. */
  recorded(): Recorded {
    return this.#native.recorded();
  }

  /** Returns the time of every operation since the last call; empty without the option `profile`. */
  profile(): ProfileEntry[] {
    return this.#native.profile();
  }

  /** Returns the predictions after each step, from the `potentials` of a forward pass (`averaged` as of that pass). */
  async anytime(potentials: Float32Array, options?: ParametersOptions): Promise<Anytime> {
    return anytime(
      potentials,
      await this.#exclusive(readoutJob(this.#native, this.description, this.#tensors, options)),
    );
  }

  /** Computes loss and gradients of one batch; the parameters stay as they are. */
  async gradients(pixels: Uint8Array, labels: Labels, options?: GradientsOptions): Promise<GradientsResult> {
    return this.#learn(options, (learner) => gradientsJob(learner, this.#tensors, pixels, labels, options));
  }

  /**
   * Does one training step. If the loss or a gradient is not finite, `badLayer` of the result says where it began, and
   * the parameters stay as they were, as they do when the step rejects. An abort that comes too late resolves.
   */
  async trainStep(batch: Batch, options: TrainStepOptions): Promise<StepStats> {
    return this.#learn(options, (learner) => trainStepJob(learner, batch, options));
  }

  /**
   * Does training steps one after the other; the results are bit-identical to those of `trainStep`. A GPU goes from one
   * step to the next without the host, which waits once per call: `stepsAtOnce` says how many steps are worth one.
   * Resolves with the results of the steps that were done, at least one: they are fewer than `steps` if the signal
   * fired meanwhile, if one was not finite (then it is the last) or if the next failed. A call that begins with a step
   * that fails rejects.
   */
  async trainSteps(steps: readonly TrainStep[], options?: TrainStepsOptions): Promise<StepStats[]> {
    return this.#learn(options, (learner) => trainStepsJob(learner, steps, options));
  }

  /** Computes loss, accuracy and activity of any number of images; the parameters stay as they are. */
  async evaluate(batch: Batch, options?: EvaluateOptions): Promise<StepStats> {
    const plan = planEvaluation(this.#native, this.#sizes, batch, options);
    return this.#exclusive(() => evaluateAll(plan));
  }

  /**
   * Does the same as `evaluate` in pieces, and yields the results over all images so far after each. Every piece is a
   * job: between two of them the network is free.
   */
  async *evaluateInPieces(batch: Batch, options?: EvaluateInPiecesOptions): AsyncGenerator<PieceStats, void> {
    const plan = planEvaluation(this.#native, this.#sizes, batch, options, ['piece', 'logits']);
    yield* evaluatePieces(plan, (job) => this.#exclusive(job));
  }

  /**
   * Scales weights and biases so that the given percentile of every hidden layer's ANN activations over the batch
   * becomes 1; the logits of the ANN stay what they are. Networks with biases want it before `calibrate`.
   */
  async rescaleActivations(batch: Batch, options?: RescaleOptions): Promise<void> {
    return this.#exclusive(rescaleJob(this.#native, this.#sizes, this.description, this.#tensors, batch, options));
  }

  /** Fits genes to the weights of a dense network, among its `parameters()`; the optimiser begins anew. */
  async fitGenes(weights: GivenTensors, options?: FitGenesOptions): Promise<GeneFit> {
    const values = namedTensors(weights, 'weights');
    return this.#exclusive(fitGenesJob(this.#native, this.description, this.#tensors, values, options));
  }

  /** Sets thresholds to a percentile of weighted inputs, times `scale`, leaks to 1; with a code converts the ANN. */
  async calibrate(batch: Batch, options?: CalibrateOptions): Promise<void> {
    return this.#exclusive(calibrateJob(this.#native, this.#sizes, this.description, this.#tensors, batch, options));
  }

  /** Simulates its ANN on images (N, C, H, W) in another code, event by event, on the CPU whatever the backend. */
  async simulate(pixels: Uint8Array, options: SimulateOptions): Promise<SimulationResult> {
    return this.#exclusive(simulateJob(this, this.#native, this.#sizes, pixels, options));
  }

  /** Returns copies of the parameters, `layers.I.weight|bias|norm.*|threshold|leak|kappa|theta|...`. */
  async parameters(options?: ReadParametersOptions): Promise<Map<string, FloatTensor>> {
    return this.#exclusive(readParametersJob(this.#native, this.#tensors, options));
  }

  /** Replaces the given parameters: all of them, or none if one is wrong. Takes what `parameters()` returns as well. */
  async setParameters(parameters: GivenTensors): Promise<void> {
    const values = namedTensors(parameters, 'parameters');
    await this.#exclusive(writeParametersJob(this.#native, this.#tensors, values));
  }

  /** Returns the state of the optimiser: with the parameters, all that training needs to continue bit-identically. */
  async optimizerState(): Promise<OptimizerState> {
    return this.#exclusive(() => readOptimizerState(this.#native, this.#tensors));
  }

  /** Replaces the whole state; slots that are not given become zero. */
  async setOptimizerState(state: { slots: GivenTensors; counters: Counters }): Promise<void> {
    const { slots, counters } = checkOptions(state, 'state', ['slots', 'counters']);
    const values = namedTensors(slots, 'slots');
    await this.#exclusive(writeOptimizerStateJob(this.#native, this.#tensors, values, checkCounters(counters)));
  }

  /** Sets momentum, moments and the number of optimiser steps to zero, and forgets the average. */
  async resetOptimizer(): Promise<void> {
    await this.#exclusive(() => this.#native.resetOptimizer());
  }

  /** Returns the number of optimiser steps, and the position in the random stream of dropout and the rate encoder. */
  counters(): Counters {
    this.#checkIdle();
    return this.#native.counters();
  }

  /** Replaces the counters. */
  setCounters(counters: Counters): void {
    this.#checkIdle();
    this.#native.setCounters(checkCounters(counters));
  }

  /** Returns the number of bytes of native memory that the network held when its last job ended. */
  memoryBytes(): number {
    return this.#native.memory();
  }

  /** Frees the native memory after aborting a running job. Afterwards other methods fail with ERR_STATE. */
  async dispose(): Promise<void> {
    this.#native.dispose();
    await this.#job?.catch(() => undefined);
  }

  /** The same as `dispose`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** A job that computes a loss, perhaps with a teacher, which is busy as long. */
  #learn<T>(options: unknown, job: (learner: Learner) => () => Promise<T>): Promise<T> {
    const given = givenTeacher(options);
    const other = given instanceof Network && given !== this ? given : undefined;
    const teacher = other && { native: other.#native, ...other.#sizes };
    const work = job({ native: this.#native, shape: this.#sizes, teacher });
    return this.#exclusive(other === undefined ? work : () => other.#exclusive(work));
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
