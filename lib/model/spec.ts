// What a network is, as plain JSON: the description that people write, and its resolved form with every default
// filled in.
import type { Code } from './code/code';

/** The type of an entry of the layer list. */
export type LayerType = 'conv' | 'avgpool' | 'maxpool' | 'linear';
/** The name of a surrogate gradient (docs/MATHEMATICS.md, "Surrogate gradients"). */
export type Surrogate = (typeof SURROGATES)[number];
/** The name of an input encoder (docs/MATHEMATICS.md, "Input encodings"). */
export type Encoder = (typeof ENCODERS)[number];

/** The normalisation of a layer's weighted input (docs/MATHEMATICS.md, "Batch normalisation"). */
export type Norm = (typeof NORMS)[number];

/** Genes, of which the weights of every convolution but the first are made. */
export interface Genes {
  /** G, the number of genes of every channel, from 1 to 4096. */
  count: number;
}

/** One entry of the layer list, as a person writes it. Fields that do not apply to a type must be absent or neutral. */
export interface LayerDescription {
  /** The type of the layer. */
  type: LayerType;
  /** The number of channels of a convolution, or of units of a linear layer. */
  out?: number;
  /**
   * The side of the square kernel of a convolution (3 by default), or of the window of a pool (2), which is its stride.
   */
  kernel?: number;
  /** The stride of a convolution; 1 by default. */
  stride?: number;
  /** The zero padding on each side of a convolution; 1 by default, whatever the kernel. */
  padding?: number;
  /**
   * The side of the window in which the currents of a convolution are averaged before the neuron, which is its stride;
   * 1, no pool, by default. The layer has one neuron for each window.
   */
  pool?: number;
  /** Whether the layer has biases; false by default. */
  bias?: boolean;
  /** The normalisation of the weighted input of a hidden layer; 'none' by default. */
  norm?: Norm;
  /** Marks the last layer, which is linear, integrates with leak and never resets. */
  output?: boolean;
  /** The initial leak in [0, 1]; 0.9 by default. Absent under a code. */
  leak?: number;
  /** The initial threshold, above 0; 1 by default. Absent under a code. */
  threshold?: number;
  /** The initial time constant of a hidden layer under the code `ttfs`, from 0.25 to 1000; 2 by default. */
  timeConstant?: number;
  /** The initial delay of a hidden layer under the code `ttfs`; 0 by default. */
  delay?: number;
  /** The rate in [0, 1) at which spikes of this layer are dropped in training; 0 by default. */
  dropout?: number;
}

/** The description that `Network.create` accepts. Only `input`, `timesteps` and `layers` are required. */
export interface NetworkDescription {
  /** The name of the network; 'custom' by default. */
  name?: string;
  /** The channels, height and width of an image. */
  input: [number, number, number];
  /** T, the number of time steps, from 1 to 254. A network with a code has none: the number is of no effect there. */
  timesteps: number;
  /** The layers from input to output. */
  layers: LayerDescription[];
  /** The mean of p / 255 per channel; that of CIFAR-10 for three channels, 0.5 otherwise. */
  mean?: number[];
  /** The standard deviation of p / 255 per channel; that of CIFAR-10 for three channels, 0.5 otherwise. */
  std?: number[];
  /** The weight of the membrane term of the logit; 1 by default. */
  alpha?: number;
  /** The weight of the spike-time term of the logit; 1 by default. */
  beta?: number;
  /** The height of the surrogate gradient; 0.3 by default. */
  gamma?: number;
  /** The decay or width of the surrogates that have one; 1 by default. */
  surrogateScale?: number;
  /** The surrogate gradient; 'triangle' by default. */
  surrogate?: Surrogate;
  /**
   * U(0) / V, the membrane potential that hidden neurons begin with as a share of their threshold, in [0, 1); 0 by
   * default, and nothing else under a code.
   */
  initialPotential?: number;
  /**
   * Whether every weighted layer has schedules: trainable weights of what arrives at each step, `layers.I.kappa`, and
   * trainable factors of its threshold, `layers.I.theta`, all 1 at first; false by default.
   */
  schedules?: boolean;
  /**
   * The code by which neurons send numbers, layer after layer, in place of leaky integrate-and-fire in time steps. With
   * one, `alpha`, `beta`, `gamma` and the surrogate are of no effect, and `mean` and `std` neither under `radix`.
   */
  code?: Code;
  /**
   * Genes that the weights of every convolution but the first are made of; none by default, so that all weights are
   * numbers of their own.
   */
  genes?: Genes;
  /** The input encoder; 'hybrid' by default, and nothing else under a code, which has an input of its own. */
  encoder?: Encoder;
  /** The intensity that is coded as the last step; 0 by default. */
  lo?: number;
  /** The intensity that is coded as the first step; 1 by default. */
  hi?: number;
  /** The number of consecutive images that a training step of the ANN normalises together; 64 by default. */
  normGroup?: number;
}

/** The description of a network with a code, which needs no number of time steps. */
export type CodedNetworkDescription = Omit<NetworkDescription, 'timesteps' | 'code'> & {
  code: Code;
  timesteps?: number;
};

/** The fields of a layer that depend on whether the network has a code, and which. */
export type NeuronKey = 'leak' | 'threshold' | 'timeConstant' | 'delay';

/** A layer with every field present that applies to the network. */
export type ResolvedLayer = Required<Omit<LayerDescription, NeuronKey>> & Pick<LayerDescription, NeuronKey>;

/**
 * A description with every field present; `code`, `genes` and an `initialPotential` above 0 where the network has them.
 * It is a valid description itself and resolves to an equal value.
 */
export type ResolvedNetwork = Omit<Required<NetworkDescription>, 'layers' | 'code' | 'genes' | 'initialPotential'> & {
  layers: ResolvedLayer[];
  code?: Code;
  genes?: Genes;
  initialPotential?: number;
};

/** The normalisations of a layer. */
export const NORMS = ['none', 'batch'] as const;
/** The surrogate gradients, as the addon reports them too. */
export const SURROGATES = ['triangle', 'exponential', 'rectangular', 'arctan', 'fast-sigmoid'] as const;
/** The input encoders, as the addon reports them too. */
export const ENCODERS = ['hybrid', 'direct', 'rate', 'ttfs', 'phase', 'burst', 'radix'] as const;

const NORMALISED: Record<Encoder, boolean> = {
  hybrid: true,
  direct: true,
  rate: true,
  ttfs: true,
  phase: false,
  burst: false,
  radix: false,
};

/** Whether mean and deviation apply to what an encoder sends; else it sends the intensity p / 255. */
export function isNormalised({ encoder }: { encoder: Encoder }): boolean {
  return NORMALISED[encoder];
}
