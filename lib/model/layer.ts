// How a layer is referred to: by its number in the API, by its name in events and before the names of its tensors.

/** A layer of a network: its position in the layer list, counted from 0 over every entry (pools included). */
export type LayerId = number;

/** The name of a layer, which the names of its tensors begin with. */
export type LayerName = `layers.${number}`;

/** The name of a layer. */
export function layerName(layer: LayerId): LayerName {
  return `layers.${layer}`;
}

/** Whether a layer is a pool, which has no weights. */
export function isPool(type: string): type is 'avgpool' | 'maxpool' {
  return type === 'avgpool' || type === 'maxpool';
}

/** A spiking layer of a network. */
export interface SpikingLayer {
  /** The layer. */
  readonly layer: LayerId;
  /** The number of its neurons, per image. */
  readonly neurons: number;
}
