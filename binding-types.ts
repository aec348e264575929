// What the native addon offers, as native/addon/module.cc exports it. Every function checks its arguments again and
// throws (or rejects with) an Error that has a `code` of lib/errors.ts. Only types: binding.ts passes them on.

/** Opaque, type-tagged objects: a handle of another copy of the addon is refused. */
export type NetworkHandle = { readonly __network: never };
export type DatasetHandle = { readonly __dataset: never };
/** The ranks that train together, as native/core/comm/communicator.h describes them. */
export type CommunicatorHandle = { readonly __communicator: never };

export type NativeBackend = 'cpu' | 'cuda';
export type NativeMode = 'ann' | 'snn' | 'binary';
export type NativePrecision = 'fp32' | 'mixed';
export type TensorKind = 'parameter' | 'gradient' | 'slot0' | 'slot1' | 'slot2' | 'average';

/** One entry of the layer list; lib/model resolves the defaults. */
export interface NativeLayer {
  type: 'conv' | 'avgpool' | 'maxpool' | 'linear';
  out: number;
  kernel: number;
  stride: number;
  padding: number;
  pool: number; // side of the window in which the currents of a conv are averaged before the neuron
  bias: boolean;
  norm: 'none' | 'batch';
  output: boolean;
  leak?: number; // absent with a code, like the threshold
  threshold?: number;
  timeConstant?: number; // initial t_c and t_d of hidden layers under the code ttfs
  delay?: number;
  dropout: number;
}

/** The code of a network; lib/model/code/code.ts says what the numbers are. */
export type NativeCode =
  | { kind: 'ttfs'; window: number }
  | { kind: 'radix'; bits: number; weightBits?: number | undefined }
  | { kind: 'one-spike-phase'; base: number; period: number };

export interface NativeSpec {
  input: [number, number, number]; // C, H, W
  timesteps: number; // 1..254
  layers: NativeLayer[];
  mean: number[];
  std: number[];
  alpha: number;
  beta: number;
  gamma: number;
  surrogateScale: number;
  surrogate: string; // one of NativeInfo.surrogates
  initialPotential?: number; // U(0) / V of hidden neurons, 0 if absent
  schedules: boolean; // weighted layers have a kappa and a theta of T numbers
  genes?: { count: number }; // of which the weights of every convolution but the first are made
  code?: NativeCode;
  encoder: string; // one of NativeInfo.encoders
  lo: number;
  hi: number;
  normGroup: number; // images that an ANN training step normalises together
  seed: number; // integer 0..2^53-1
  backend: NativeBackend;
  device: number; // of the backend cuda: its number
  threads: number;
  precision: NativePrecision;
  profile: boolean; // keep times per layer and operation
}

/** The part of a NativeSpec that decides how pixels are encoded. */
export type NativeEncoderSpec = Pick<NativeSpec, 'encoder' | 'timesteps' | 'lo' | 'hi' | 'mean' | 'std'>;

/** What an encoder sends into the first layer. */
export interface NativeInputEncoding {
  analogSteps: number; // steps at which the first layer receives the analog value
  random: boolean; // events are drawn at random
  events: Float64Array; // (C, 256): of a pixel over all steps, by channel and byte; of random ones the expected number
  sends: Uint8Array; // (256, T): 1 where a pixel sends an event at a step, by byte; 0 for random ones
}

/** Wall time of one operation of the backend in one layer, added up over its calls. */
export interface NativeProfileEntry {
  layer: number; // entry of the layer list, -1 for work on the whole network
  operation: string;
  kernel: string; // the variant that the last call chose, or ''
  density: number; // share of non-zero operands it was chosen for, or 1
  milliseconds: number;
  calls: number;
}

export interface NativeAugment {
  padding: number;
  reflect: boolean; // the border of the crop mirrors the image; else it is zeros
  flip: boolean;
  cutout: number; // side of a square of zeros
  trivial: boolean; // TrivialAugment
  mixup: number; // alpha, 0 = none
  cutmix: number;
  seed: number;
  step: number;
}

/** Pixels (N, C, H, W) with labels (N), or rows of a data set that native memory already holds. */
export type NativeBatch =
  | { pixels: Uint8Array; labels?: Int32Array | undefined }
  | {
      dataset: DatasetHandle;
      indices: Uint32Array;
      augment?: NativeAugment | undefined;
      shards?: NativeShards | undefined; // that the rows are; then there may be none
    };

/** The shards of a batch that one rank computes. */
export interface NativeShards {
  counts: number[]; // images of each, one after the other
  first: number; // position of the first image in the whole batch
  images: number; // of the whole batch
}

export interface NativeOptimizer {
  kind: 'sgd' | 'adam' | 'adamw';
  learningRate: number;
  neuronLearningRate: number; // of thresholds and leaks, and of the logarithms of schedules
  momentum: number;
  nesterov: boolean; // of sgd
  weightDecay: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  amsgrad: boolean;
  clipNorm: number; // 0 = no clipping
  ema: number; // decay of the average of the parameters, 0 = none
}

export interface NativeStep {
  batch: NativeBatch;
  optimizer: NativeOptimizer;
}

/** What the loss of a training step compares the logits with. */
export interface NativeLoss {
  labelSmoothing: number; // share of a label that all classes have alike
  // With a code: how probably a hidden layer sends its code and not its ReLU, and the weights of two penalties.
  quantised?: number;
  kernelPenalty?: number;
  spikePenalty?: number;
  distillation: NativeDistillation | null;
  activity: { target: number; strength: number } | null; // mode snn alone
  timeWeights: number[] | null; // of the loss after each step, mode snn alone; null = the last step alone
}

/** The logits of another network on the same pixels, which is busy as long as the job. */
export interface NativeDistillation {
  teacher: NetworkHandle;
  mode: NativeMode; // of the teacher
  weight: number;
  temperature: number;
}

/** What one step reports: sums over its batch, except `loss` (a mean). */
export interface NativeStats {
  loss: number; // NaN without labels
  correct: number;
  count: number; // images
  spikes: Float64Array; // per hidden spiking layer: neurons that fired; of the code radix one bits
  gradientNorm: number;
  badLayer: number; // first layer with a non-finite number (parameters are then not updated), else -1
  seconds: number; // of several steps in one call, the mean
}

/** What a forward pass computes with, and the arrays that its results fill before the promise resolves. */
export interface NativeOutputs {
  averaged?: boolean | undefined; // with the average of the parameters in their place
  logits?: Float32Array | undefined; // (N, K)
  potentials?: Float32Array | undefined; // (N, T, K)
  margins?: Float32Array | undefined; // (N)
  // (N); wanted: images end at the first step at which an output neuron fires; without the other two
  decisionSteps?: Uint8Array | undefined;
  spikeTimes?: (Uint8Array | null)[] | undefined; // per spiking layer: (N, C, H, W) or (N, O); never: 0, output T + 1
}

/** A part of a tensor: `data.length` numbers from `offset` on, in C order of PyTorch's layout. */
export interface NativeTensorPart {
  kind: TensorKind;
  name: string;
  offset: number;
  data: Float32Array;
}

/** How a network is simulated in another code (docs/MATHEMATICS.md, "Simulated codes"). */
export interface NativeSimulation {
  code: string; // one of NativeInfo.simulatedCodes
  timesteps: number; // of all layers together, or of the window of a layer
  threshold: number;
  stride: number; // steps from the window of a layer to that of the next
  timeConstants: number[]; // of codes with a single spike: of the input, then of every hidden layer; else empty
  delays: number[]; // of the same
  activations: number[]; // per hidden layer: what its activations are divided by
  seed: number;
  threads: number;
  record: number; // predictions are kept after every so many steps, and after the last
  logitSteps: number[]; // after which logits are kept, ascending from 1 on
  first: number; // position of the first image, for random numbers
}

/** Where a simulation leaves its results: (N, recorded steps) and (N, logit steps, K). */
export interface NativeSimulationOutputs {
  predictions: Int32Array;
  logits: Float32Array;
}

/** Sums over the images, of one weighted layer. */
export type NativeSimulationCounts = Record<'events' | 'accumulates' | 'valueMacs' | 'updates' | 'spikes', number>;

export interface NativeCounters {
  optimizerSteps: number;
  randomStep: number;
  activity: number; // running mean, from 0 to 1
}

export interface NativeInfo {
  version: string;
  simdTarget: string;
  hardwareThreads: number;
  binaryCuda: boolean; // was this binary built with CUDA
  liveNetworks: number; // handles of this thread that are neither disposed nor collected
  liveDatasets: number;
  encoders: string[];
  surrogates: string[];
  simulatedCodes: string[];
  limits: Record<string, { min: number; max: number }>; // of the numbers of a spec and of a call, both ends included
}

/** What this processor has for the CPU kernels. */
export interface NativeProcessor {
  targets: string[]; // instruction sets, the best first
  bf16: 'floats' | 'avx512' | 'amx'; // what multiplies bf16, from the least to the best
}

export interface NativeDevice {
  name: string;
  major: number; // compute capability
  minor: number;
  memoryBytes: number;
  freeBytes: number; // -1 if it was not probed
  driver: number; // CUDA versions of driver and binary: 1000 * major + 10 * minor
  runtime: number;
  usable: boolean; // a kernel ran on it
  reason: string; // why it is not usable; '' if it is, or was not probed
  graphs: boolean; // a CUDA graph of that kernel ran as well
  graphsReason: string; // why it did not; '' if it did, or was not tried
}

/** Whether the steps of a network run as CUDA graphs, and why not ('' if they do). */
export interface NativeRecorded {
  recorded: boolean;
  reason: string;
}

/** Every GPU in the driver's order, and why the wanted one, or each, cannot be used ('' if one can). */
export interface NativeDevices {
  reason: string;
  list: NativeDevice[];
}

/** The export table of native/addon/module.cc, function for function. One job per network runs at a time;
 *  `networkAbort` makes it reject with ERR_ABORTED, unless it has changed the parameters already: then it resolves. A
 *  process has one communicator: every rank makes the same calls in the same order, and ERR_IO names the rank that is
 *  silent for `deadline` seconds. `limitProcessor` counts for the whole process. */
export interface NativeModule {
  info(): NativeInfo;
  processor(): NativeProcessor;
  limitProcessor(target: string, bf16: NativeProcessor['bf16']): void;
  devices(wanted: number | null): NativeDevices;
  inputEncoding(spec: NativeEncoderSpec): NativeInputEncoding;
  networkCreate(spec: NativeSpec): Promise<NetworkHandle>;
  networkTensors(network: NetworkHandle): { name: string; shape: number[] }[];
  networkLayers(network: NetworkHandle): { layer: number; neurons: number }[];
  networkStepsAtOnce(network: NetworkHandle): number;
  networkMemory(network: NetworkHandle): number;
  networkRecorded(network: NetworkHandle): NativeRecorded;
  networkProfile(network: NetworkHandle): NativeProfileEntry[];
  networkSlots(network: NetworkHandle): TensorKind[];
  networkRead(network: NetworkHandle, parts: NativeTensorPart[]): Promise<void>;
  networkWrite(network: NetworkHandle, parts: NativeTensorPart[]): Promise<void>;
  networkCounters(network: NetworkHandle): NativeCounters;
  networkSetCounters(network: NetworkHandle, counters: NativeCounters): void;
  networkResetOptimizer(network: NetworkHandle): Promise<void>;
  networkForward(
    network: NetworkHandle,
    batch: NativeBatch,
    mode: NativeMode,
    out: NativeOutputs,
  ): Promise<NativeStats>;
  networkGradients(
    network: NetworkHandle,
    batch: NativeBatch,
    mode: NativeMode,
    loss: NativeLoss,
  ): Promise<NativeStats>;
  networkTrain(
    network: NetworkHandle,
    steps: NativeStep[],
    next: NativeBatch | null,
    mode: NativeMode,
    loss: NativeLoss,
    communicator: CommunicatorHandle | null,
  ): Promise<NativeStats[]>;
  networkActivations(network: NetworkHandle, batch: NativeBatch, percentile: number): Promise<number[]>;
  networkCalibrate(network: NetworkHandle, batch: NativeBatch, percentile: number, scale: number): Promise<void>;
  networkFitGenes(network: NetworkHandle, steps: number, learningRate: number): Promise<number>;
  networkSimulate(
    network: NetworkHandle,
    batch: NativeBatch,
    simulation: NativeSimulation,
    out: NativeSimulationOutputs,
  ): Promise<NativeSimulationCounts[]>;
  networkProgress(network: NetworkHandle): number;
  networkAbort(network: NetworkHandle): boolean;
  networkDispose(network: NetworkHandle): void;
  datasetCreate(pixels: Uint8Array, labels: Int32Array | null, shape: [number, number, number]): DatasetHandle;
  datasetDispose(dataset: DatasetHandle): void;
  communicatorOpen(library: string, deadline: number): Promise<CommunicatorHandle>;
  communicatorBroadcast(communicator: CommunicatorHandle, bytes: Uint8Array): Promise<Uint8Array>;
  communicatorGather(communicator: CommunicatorHandle, bytes: Uint8Array): Promise<Uint8Array>;
  communicatorLastWords(communicator: CommunicatorHandle, bytes: Uint8Array): Promise<Uint8Array>;
  communicatorLink(communicator: CommunicatorHandle, device: number, library: string): Promise<string>;
  communicatorBarrier(communicator: CommunicatorHandle): Promise<void>;
  communicatorClose(communicator: CommunicatorHandle): Promise<void>;
  communicatorPlace(communicator: CommunicatorHandle): { rank: number; size: number; hosts: string[] };
  communicatorAbort(communicator: CommunicatorHandle): void;
  ncclVersion(library: string): string;
}
