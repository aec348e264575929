// What training reports, one object at a time; `--json` prints the same objects, one a line.
import type { DataWarning } from '../../data';
import type { LayerName } from '../../model/layer';
import type { TrainConfig } from '../config/config';

/** The phases of training: the ReLU network, the same with binary activations, and the spiking network. */
export const PHASES = ['ann', 'binary', 'snn'] as const;
/** A phase of training. */
export type Phase = (typeof PHASES)[number];

/** The activity of one spiking layer. */
export interface LayerActivity {
  /** The name of the layer, `layers.I`, I counting every entry of the layer list. */
  layer: LayerName;
  /** The number of its neurons. */
  neurons: number;
  /** The share of the neurons that fired, averaged over the images. */
  spikesPerNeuron: number;
}

/** How the ranks of a run add their gradients. The results are bit-identical. */
export interface GradientExchange {
  /** The library: `nccl` between their GPUs, `mpi` through their hosts. */
  engine: 'nccl' | 'mpi';
  /** The version of NCCL, such as '2.28.3'; null for `mpi`. */
  version: string | null;
  /** The reason why it is not NCCL; empty if it is. */
  reason: string;
}

/** The first event of a run, or of its continuation. */
export interface StartEvent {
  event: 'start';
  /** The folder of the run. */
  run: string;
  /** The version of onespike. */
  version: string;
  /** The backend: `cpu` or `cuda`. */
  backend: string;
  /** The processor that does the work, as text. */
  processor: string;
  /**
   * The same text as `processor`: readers of `--json` know it by this name. Elsewhere `device` is the number of a GPU.
   */
  device: string;
  /** The precision: `fp32` or `mixed`. */
  precision: string;
  /** The number of compute threads on the CPU. */
  threads: number;
  /** The number of ranks that train the run together, each with so many threads; 1 for one process. */
  ranks: number;
  /** How they add their gradients; null for one process. */
  exchange: GradientExchange | null;
  /** The number of shards that a batch is divided into; null for none. */
  shards: number | null;
  /** The instruction set of the CPU kernels: of several ranks the best that all of them have. */
  instructionSet: string;
  /** The name of the network. */
  model: string;
  /** The name of the data set. */
  dataset: string;
  /** The seed of weights, split, order, augmentation and dropout. */
  seed: number;
  /** The number of parameters. */
  parameters: number;
  /** T, or with a code the number of steps until the decision. */
  timesteps: number;
  /** The numbers of images. */
  images: { train: number; validation: number; test: number };
  /** Where a resumed run continues, and the backend that it ran on before; null for a new run. */
  resumed: { stage: string; epoch: number; step: number; backend: string } | null;
}

/** The progress of the current epoch or evaluation. Loss, accuracy and activity are running means. */
export interface ProgressEvent {
  event: 'progress';
  /** The phase. */
  phase: Phase;
  /** What is being done. */
  activity: 'train' | 'validate' | 'test' | 'convert';
  /** The epoch, counted from 1. */
  epoch: number;
  /** The number of epochs of the phase. */
  epochs: number;
  /** The number of steps that were done. */
  step: number;
  /** The number of steps in all. */
  steps: number;
  /** The number of images that were processed. */
  images: number;
  /** The rate, in images per second. */
  imagesPerSecond: number;
  /** The mean loss; null where there is none. */
  loss: number | null;
  /** The fraction of images whose prediction was correct, from 0 to 1; null where there is none. */
  accuracy: number | null;
  /** The mean number of spikes per hidden neuron and image; null where nothing spikes. */
  spikesPerNeuron: number | null;
}

/** The results of one epoch. Accuracies are fractions from 0 to 1. */
export interface EpochEvent {
  event: 'epoch';
  /** The phase. */
  phase: Phase;
  /** The epoch, counted from 1. */
  epoch: number;
  /** The number of epochs of the phase. */
  epochs: number;
  /** The mean loss over the training images, during the epoch. */
  trainLoss: number;
  /** The accuracy on the training images, during the epoch. */
  trainAccuracy: number;
  /** The mean loss over the validation images; null without any. */
  validationLoss: number | null;
  /** The accuracy on the validation images; null without any. */
  validationAccuracy: number | null;
  /** The learning rate of the last step. */
  learningRate: number;
  /** The rate of training, in images per second. */
  imagesPerSecond: number;
  /**
   * The mean number of spikes per hidden neuron and image; 0 in the phase `ann`, where nothing spikes. In the phase
   * `binary` they are those that the network will have when it is converted.
   */
  spikesPerNeuron: number;
  /** The activity of every hidden layer, on the validation images if there are any. */
  layers: LayerActivity[];
  /** The thresholds by name of their tensor; absent in the phase `ann`, with a code, and in runs of older versions. */
  thresholds?: Record<string, number>;
  /**
   * The leaks by name of their tensor; absent in the phases `ann` and `binary`, with a code, and in runs of older
   * versions.
   */
  leaks?: Record<string, number>;
  /** True if this epoch is the best of its phase so far. */
  best: boolean;
  /** True if its phase ends here although it has epochs left: `patience` epochs were not better than the best one. */
  stopsEarly: boolean;
  /** The wall time of its training and validation steps, in seconds. */
  seconds: number;
  /** The CPU time of the process during these steps, all threads together, in seconds. */
  cpuSeconds: number;
}

/** The results of the conversion. Accuracies are fractions from 0 to 1. */
export interface ConvertedEvent {
  event: 'converted';
  /** The accuracy on the test images right after conversion. */
  accuracy: number;
  /** The accuracy on the validation images; null without any. */
  validationAccuracy: number | null;
  /** The accuracy of the best ANN with ReLU activations on the test images; null if there is none. */
  annTestAccuracy: number | null;
  /**
   * The accuracy of the best ANN with binary activations, which is converted then, on the test images; null if there is
   * none.
   */
  binaryTestAccuracy: number | null;
  /** The thresholds by name of their tensor; with a code the time constants, delays and steps of hidden layers. */
  thresholds: Record<string, number>;
  /** The mean number of spikes per hidden neuron and image. */
  spikesPerNeuron: number;
  /** The activity of every hidden layer. */
  layers: LayerActivity[];
}

/** A warning about a layer in which hardly any neuron fires, or nearly every one. */
export interface LayerWarning {
  event: 'warning';
  /** The kind of the warning. */
  code: 'DEAD_LAYER' | 'SATURATED_LAYER';
  /** The name of the layer, `layers.I`. */
  layer: LayerName;
  /** The mean number of spikes per neuron of the layer and image. */
  spikesPerNeuron: number;
  /** The phase. */
  phase: Phase;
  /** The epoch, counted from 1. */
  epoch: number;
  /** The warning as a sentence. */
  message: string;
}

/** A warning about the images, the start or the machine that changes what the results mean. */
export interface RunWarning {
  event: 'warning';
  /** The kind of the warning. */
  code: DataWarning['code'] | 'INIT_SEEN_IMAGES' | 'OTHER_BACKEND' | 'OTHER_INSTRUCTION_SET' | 'RANKS_ROUND_OTHERWISE';
  /** The warning as a sentence. */
  message: string;
}

/** A warning of a training run. */
export type WarningEvent = LayerWarning | RunWarning;

/** What `minutes` chose for a run, once after the start and again where the run would have missed its time. */
export interface PlanEvent {
  event: 'plan';
  /** The time that was asked for. */
  minutes: number;
  /** The factor on the channels of the network. */
  width: number;
  /** The precision: on a CPU that in which this machine trains faster, unless the configuration names one. */
  precision: string;
  /** The batch size of the ANN. */
  batch: number;
  /** The number of epochs of every phase. */
  epochs: Record<Phase, number>;
  /** The rates of training measured at the start, in images per second; 0 of a phase that the run does not have. */
  imagesPerSecond: Record<Phase, number>;
  /** The wall time that the run is expected to take in all, in seconds. */
  seconds: number;
}

/** The position at which an interrupted run was saved. */
export interface SavedEvent {
  event: 'saved';
  /** The folder of the run. */
  run: string;
  /** The stage: `ann`, `convert`, `snn` or `finish`. */
  stage: string;
  /** The number of complete epochs of the stage. */
  epoch: number;
  /** The number of steps of the current epoch that were done. */
  step: number;
}

/** The energy of one inference, averaged over `images` test images. */
export interface EnergySummary {
  /** The energy of the dense ANN over that of the spiking network; null if the latter is 0. */
  ratio: number | null;
  /** The constants that `ratio` is computed with. */
  constants: string;
  /** The account that `ratio` belongs to. */
  account: string;
  /** The energy of the dense ANN, in picojoules. */
  annPicojoules: number;
  /** The energy of the spiking network, in picojoules. */
  snnPicojoules: number;
  /** The same ratio in every account, by `account/constants`. */
  ratios: Record<string, number | null>;
  /** The number of test images. */
  images: number;
}

/** The last event of a run: its results. Accuracies are fractions from 0 to 1, null where a stage was left out. */
export interface DoneEvent {
  event: 'done';
  /** The folder of the run. */
  run: string;
  /** The name of the network. */
  model: string;
  /** The name of the data set. */
  dataset: string;
  /** The accuracy of the best ANN with ReLU activations on the test images. */
  ann: { testAccuracy: number | null };
  /** The accuracy of the best ANN with binary activations on the test images. */
  binary: { testAccuracy: number | null };
  /** The accuracy of the network right after conversion, on the test images. */
  converted: { testAccuracy: number | null };
  /** The accuracy and activity of the spiking network, on the test images. */
  snn: { testAccuracy: number | null; spikesPerNeuron: number | null; layers: LayerActivity[] };
  /** The energy of one inference. */
  energy: EnergySummary | { ratio: null };
  /** The wall time of the run in seconds, over all its sessions. */
  seconds: number;
  /** The CPU time of its processes in seconds, all threads together, over all its sessions. */
  cpuSeconds: number;
}

/** The results that run.json holds. Older versions reported one ANN, the binary one where there were binary epochs. */
export function upgradeResults(results: DoneEvent | undefined, config: TrainConfig): DoneEvent | undefined {
  if (results === undefined || 'binary' in results) return results;
  const { ann, ...others } = results as Omit<DoneEvent, 'binary'>;
  const none = { testAccuracy: null };
  return config.binary.epochs > 0 ? { ...others, ann: none, binary: ann } : { ...others, ann, binary: none };
}

/** An event of a training run; `event` tells its kind. */
export type TrainEvent =
  | StartEvent
  | ProgressEvent
  | EpochEvent
  | ConvertedEvent
  | WarningEvent
  | PlanEvent
  | SavedEvent
  | DoneEvent;
