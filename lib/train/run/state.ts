/** Where a run is: everything a checkpoint must carry beside the tensors, as JSON. */
import type { Network } from '../../model/network';
import type { EpochEvent, LayerActivity, Phase } from './events';

/** What a run does next. Each stage can be repeated from its start, so a checkpoint between two of them is enough. */
export type Stage = 'ann' | 'convert' | 'snn' | 'finish';

/** Running sums of an epoch over the images trained so far. */
export interface EpochSums {
  loss: number;
  correct: number;
  count: number;
  /** Per hidden spiking layer. */
  spikes: number[];
  seconds: number;
}

export interface BestEpoch {
  /** 0 is the converted network. */
  epoch: number;
  accuracy: number | null;
  loss: number | null;
  /** File name within checkpoints/. */
  file: string;
}

export interface TrainState {
  format: 1;
  stage: Stage;
  /** Epochs completed in this stage. */
  epoch: number;
  /** Steps completed in the current epoch. All steps done but the epoch not counted: validation is due. */
  step: number;
  sums: EpochSums;
  best: Record<Phase, BestEpoch | null>;
  /** Length of metrics.jsonl that this state knows of. */
  metricsBytes: number;
  /** Wall time so far. */
  seconds: number;
  annTestAccuracy: number | null;
  convertedTestAccuracy: number | null;
}

export function emptySums(hiddenLayers: number): EpochSums {
  return { loss: 0, correct: 0, count: 0, spikes: new Array<number>(hiddenLayers).fill(0), seconds: 0 };
}

export function initialState(stage: Stage, hiddenLayers: number): TrainState {
  return {
    format: 1,
    stage,
    epoch: 0,
    step: 0,
    sums: emptySums(hiddenLayers),
    best: { ann: null, snn: null },
    metricsBytes: 0,
    seconds: 0,
    annTestAccuracy: null,
    convertedTestAccuracy: null,
  };
}

/** Higher validation accuracy, then lower validation loss. Without validation every epoch is better than the one before. */
export function isBetter(
  candidate: Pick<EpochEvent, 'validationAccuracy' | 'validationLoss'>,
  best: BestEpoch | null,
): boolean {
  if (best === null || candidate.validationAccuracy === null || best.accuracy === null) return true;
  if (candidate.validationAccuracy !== best.accuracy) return candidate.validationAccuracy > best.accuracy;
  return (candidate.validationLoss ?? Infinity) < (best.loss ?? Infinity);
}

/** A hidden spiking layer of a network. */
export interface HiddenLayer {
  /** Entry of the layer list. */
  index: number;
  neurons: number;
}

/** The hidden ones of a network's spiking layers (the output layer is the last). */
export function hiddenLayers(network: Network): HiddenLayer[] {
  return network.layers.slice(0, -1).map(({ layer, neurons }) => ({ index: layer, neurons }));
}

export function layerActivity(
  layers: readonly HiddenLayer[],
  spikes: ArrayLike<number>,
  images: number,
): LayerActivity[] {
  return layers.map(({ index, neurons }, i) => ({
    layer: `layers.${index}`,
    neurons,
    spikesPerNeuron: images > 0 ? (spikes[i] ?? 0) / (images * neurons) : 0,
  }));
}

/** Mean over all hidden neurons, whatever their layer. */
export function meanActivity(activity: readonly LayerActivity[]): number {
  const neurons = activity.reduce((sum, layer) => sum + layer.neurons, 0);
  return neurons === 0 ? 0 : activity.reduce((sum, layer) => sum + layer.spikesPerNeuron * layer.neurons, 0) / neurons;
}
