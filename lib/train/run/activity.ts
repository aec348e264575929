/** How much of each spiking layer fires, and whether that still carries information. */
import type { Network } from '../../model/network';
import type { LayerActivity, Phase, WarningEvent } from './events';

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

// Below the first a layer passes almost nothing on; above the second its spikes say almost nothing.
const dead = 0.001;
const saturated = 0.95;

/** A warning with a hint for every hidden layer that hardly fires or fires nearly everywhere. */
export function activityWarnings(layers: readonly LayerActivity[], phase: Phase, epoch: number): WarningEvent[] {
  return layers.flatMap(({ layer, spikesPerNeuron }): WarningEvent[] => {
    const percent = `${(100 * spikesPerNeuron).toFixed(spikesPerNeuron < 0.01 ? 3 : 1)} %`;
    if (spikesPerNeuron < dead) {
      const message = `${layer} is nearly silent: ${percent} of its neurons fire. Lower convert.scale or convert.percentile, or raise snn.optimizer.neuronLearningRate.`;
      return [{ event: 'warning', code: 'DEAD_LAYER', layer, spikesPerNeuron, phase, epoch, message }];
    }
    if (spikesPerNeuron > saturated) {
      const message = `${layer} fires almost everywhere: ${percent} of its neurons. Raise convert.scale or convert.percentile, or lower the learning rate.`;
      return [{ event: 'warning', code: 'SATURATED_LAYER', layer, spikesPerNeuron, phase, epoch, message }];
    }
    return [];
  });
}
