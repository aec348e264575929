// How much of each spiking layer fires, and whether that still carries information.
import { fanOut } from '../../energy/fan-out';
import { layerName, type SpikingLayer } from '../../model/layer';
import type { Network } from '../../model/network';
import type { Surrogate } from '../../model/description';
import { layerShapes } from '../../model/shapes';
import type { TrainConfig } from '../config/config';
import type { LayerActivity, LayerWarning, Phase } from './events';

/** The hidden ones of a network's spiking layers (the output layer is the last). */
export function hiddenLayers(network: Network): readonly SpikingLayer[] {
  return network.layers.slice(0, -1);
}

export function layerActivity(
  layers: readonly SpikingLayer[],
  spikes: ArrayLike<number>,
  images: number,
): LayerActivity[] {
  return layers.map(({ layer, neurons }, i) => ({
    layer: layerName(layer),
    neurons,
    spikesPerNeuron: images > 0 ? (spikes[i] ?? 0) / (images * neurons) : 0,
  }));
}

/** Mean over all hidden neurons, whatever their layer. */
export function meanActivity(activity: readonly LayerActivity[]): number {
  const neurons = activity.reduce((sum, layer) => sum + layer.neurons, 0);
  return neurons === 0 ? 0 : activity.reduce((sum, layer) => sum + layer.spikesPerNeuron * layer.neurons, 0) / neurons;
}

/**
 * The share by which the activity of a network with these layers, spikes weighed by mean fan-out (docs/MATHEMATICS.md,
 * "Activity target"), exceeds the target of its phase; 0 below it and where there is none.
 */
export function excessOf(
  { config, network }: { config: Pick<TrainConfig, 'binary' | 'snn'>; network: Network },
  phase: Phase,
  layers: readonly LayerActivity[],
): number {
  if (phase === 'ann' || config[phase].activity.strength === 0) return 0;
  const { target } = config[phase].activity;
  return Math.max(0, activity(network, layers) - target) / Math.max(target, LEAST_TARGET);
}

/** Shares of smaller targets are shares of this one: of a target of 0 every activity would exceed without end. */
const LEAST_TARGET = 0.05;

/** The share of all additions that the spikes of the hidden layers cause. */
function activity(network: Network, layers: readonly LayerActivity[]): number {
  const { description } = network;
  const shapes = layerShapes(description);
  let made = 0;
  let all = 0;
  for (const [i, { layer }] of hiddenLayers(network).entries()) {
    const { out } = shapes[layer]!;
    const additions = out[0] * fanOut(description, shapes, layer + 1, out).table.reduce((sum, one) => sum + one, 0);
    made += additions * layers[i]!.spikesPerNeuron;
    all += additions;
  }
  return all > 0 ? made / all : 0;
}

// Below the first a layer passes almost nothing on; above the second its spikes say almost nothing.
const DEAD = 0.001;
const SATURATED = 0.95;

/** Surrogates without a gradient far from the threshold: a neuron that never comes near it stays as it is. */
const narrowSurrogates: readonly string[] = ['triangle', 'rectangular'] satisfies Surrogate[];

type Choices = Pick<TrainConfig, 'model' | 'init' | 'convert' | 'snn'>;

/**
 * A warning for every hidden layer that sends hardly any or nearly all of the spikes that it could, `most` per neuron,
 * with what `config` lets one change about it.
 */
export function activityWarnings(
  layers: readonly LayerActivity[],
  { phase, epoch, most }: { phase: Phase; epoch: number; most: number },
  config: Choices,
): LayerWarning[] {
  return layers.flatMap(({ layer, spikesPerNeuron }): LayerWarning[] => {
    const share = spikesPerNeuron / most;
    if (share >= DEAD && share <= SATURATED) return [];
    const silent = share < DEAD;
    const whole = most > 1 ? 'possible spikes' : 'neurons';
    const percent = `${(100 * share).toFixed(share < 0.01 ? 3 : 1)} % of its ${whole}`;
    const message = silent
      ? `${layer} is nearly silent: ${percent} fire. ${sentence(wakingAdvice(config))}`
      : `${layer} fires almost everywhere: ${percent}. ${sentence(calmingAdvice(config))}`;
    return [
      {
        event: 'warning',
        code: silent ? 'DEAD_LAYER' : 'SATURATED_LAYER',
        layer,
        spikesPerNeuron,
        phase,
        epoch,
        message,
      },
    ];
  });
}

/** Where the thresholds of a run come from, as the keys to change them by. */
function thresholdKeys({ model, init, convert }: Choices): string[] {
  if (convert.enabled) return ['convert.scale', 'convert.percentile'];
  // A model file brings its own.
  if (init !== undefined) return [];
  return [model.layers === undefined ? 'model.threshold' : 'the threshold of the layer'];
}

function wakingAdvice(config: Choices): string[] {
  const keys = thresholdKeys(config);
  return [
    ...(keys.length > 0 ? [`lower ${keys.join(' or ')}`] : []),
    ...(config.snn.epochs > 0 && narrowSurrogates.includes(config.model.surrogate)
      ? ['choose a surrogate that reaches further (model.surrogate=arctan)']
      : []),
    ...(config.snn.epochs > 0 ? ['raise snn.optimizer.neuronLearningRate'] : []),
  ];
}

function calmingAdvice(config: Choices): string[] {
  const keys = thresholdKeys(config);
  return [
    ...(keys.length > 0 ? [`raise ${keys.join(' or ')}`] : []),
    ...(config.snn.epochs > 0 ? ['lower snn.optimizer.learningRate'] : []),
  ];
}

/** `Lower a, or raise b.` */
function sentence(advice: readonly string[]): string {
  const text = advice.join(', or ');
  return text === '' ? '' : `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}
