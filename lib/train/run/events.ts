/** What training reports, one object at a time; `--json` prints the same objects, one a line. Accuracies are fractions in [0, 1]. */
import type { DataWarning } from '../../data';

export type Phase = 'ann' | 'snn';

/** How much of a spiking layer fires. */
export interface LayerActivity {
  /** `layers.I`, I counting every entry of the layer list. */
  layer: string;
  neurons: number;
  /** Share of the neurons that fired, averaged over the images. */
  spikesPerNeuron: number;
}

export interface StartEvent {
  event: 'start';
  run: string;
  version: string;
  backend: string;
  /** The processor that does the work. */
  device: string;
  precision: string;
  threads: number;
  model: string;
  dataset: string;
  seed: number;
  parameters: number;
  timesteps: number;
  images: { train: number; validation: number; test: number };
  /** Where a resumed run goes on, and the backend that it ran on before; null for a new one. */
  resumed: { stage: string; epoch: number; step: number; backend: string } | null;
}

/** How far the running epoch or evaluation is. Its numbers are running means. */
export interface ProgressEvent {
  event: 'progress';
  phase: Phase;
  activity: 'train' | 'validate' | 'test' | 'convert';
  epoch: number;
  epochs: number;
  step: number;
  steps: number;
  /** Images so far. */
  images: number;
  imagesPerSecond: number;
  loss: number | null;
  accuracy: number | null;
  spikesPerNeuron: number | null;
}

export interface EpochEvent {
  event: 'epoch';
  phase: Phase;
  /** Counts from 1. */
  epoch: number;
  epochs: number;
  trainLoss: number;
  trainAccuracy: number;
  /** null without validation images. */
  validationLoss: number | null;
  validationAccuracy: number | null;
  learningRate: number;
  imagesPerSecond: number;
  /** Mean over the hidden spiking neurons; 0 in the `ann` phase, where nothing spikes. */
  spikesPerNeuron: number;
  layers: LayerActivity[];
  /** True if this epoch is the best of its phase so far. */
  best: boolean;
  seconds: number;
}

export interface ConvertedEvent {
  event: 'converted';
  /** Of the test images, right after conversion. */
  accuracy: number;
  validationAccuracy: number | null;
  /** Of the ANN that was converted; null if it was never trained. */
  annTestAccuracy: number | null;
  /** Tensor name to threshold. */
  thresholds: Record<string, number>;
  spikesPerNeuron: number;
  layers: LayerActivity[];
}

/** A layer that has stopped carrying information. */
export interface LayerWarning {
  event: 'warning';
  code: 'DEAD_LAYER' | 'SATURATED_LAYER';
  layer: string;
  spikesPerNeuron: number;
  phase: Phase;
  epoch: number;
  message: string;
}

/** Something about the images or the machine that changes what the results mean. */
export interface RunWarning {
  event: 'warning';
  code: DataWarning['code'] | 'OTHER_BACKEND' | 'OTHER_INSTRUCTION_SET';
  message: string;
}

export type WarningEvent = LayerWarning | RunWarning;

/** A checkpoint was written because the run was interrupted. */
export interface SavedEvent {
  event: 'saved';
  run: string;
  stage: string;
  epoch: number;
  step: number;
}

/** Energy of one inference, averaged over `images` test images. */
export interface EnergySummary {
  /** Energy of the dense ANN over that of the spiking network; null if the latter spent nothing. */
  ratio: number | null;
  /** Which constants and which account `ratio` is of. */
  constants: string;
  account: string;
  annPicojoules: number;
  snnPicojoules: number;
  /** The same ratio in every account, by `account/constants`. */
  ratios: Record<string, number | null>;
  images: number;
}

export interface DoneEvent {
  event: 'done';
  run: string;
  model: string;
  dataset: string;
  ann: { testAccuracy: number | null };
  converted: { testAccuracy: number | null };
  snn: { testAccuracy: number | null; spikesPerNeuron: number | null; layers: LayerActivity[] };
  energy: EnergySummary | { ratio: null };
  /** Wall time spent on the run, over all its resumptions. */
  seconds: number;
}

export type TrainEvent =
  | StartEvent
  | ProgressEvent
  | EpochEvent
  | ConvertedEvent
  | WarningEvent
  | SavedEvent
  | DoneEvent;
