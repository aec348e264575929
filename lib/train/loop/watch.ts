/** Watches for layers that have stopped carrying information. */
import type { LayerActivity, Phase, WarningEvent } from '../run/events';

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
