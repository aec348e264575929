// What a network did on given images, in operations: counted from spike times by lib/energy, and by simulations
// themselves.
import type { LayerId } from '../layer';

/** The operations of one weighted layer, as means per image. */
export interface LayerOperations {
  /** The layer. */
  layer: LayerId;
  /** The type of the layer. */
  type: 'conv' | 'linear';
  /** The number of its neurons. */
  neurons: number;
  /** The multiply-accumulates of the dense network. */
  annMacs: number;
  /** The multiply-accumulates of the spiking network that analog input causes. */
  macs: number;
  /**
   * The multiply-accumulates of schedules and of codes whose spikes have values: one for every step and neuron that
   * received anything in it, none where the weight of the step is a power of two.
   */
  scheduleMacs: number;
  /** The accumulates: every incoming event times its fan-out. */
  accumulates: number;
  /** The incoming events, those included that a pool drops. */
  events: number;
  /** The outgoing events, which are the neurons that fired; 0 for the output layer, whose spikes no layer receives. */
  spikes: number;
  /** The updates of potentials: one per step and neuron, until the neuron fires, at all steps in the output layer. */
  updates: number;
}

/** The operations of a network per image, averaged over `images` images. */
export interface OperationCounts {
  /** The number of images that were counted. */
  images: number;
  /** True if the input spikes are expected numbers (the encoder `rate`) and not counted ones. */
  expectedInput: boolean;
  /** The operations of every weighted layer. */
  layers: LayerOperations[];
}
