// Spike times of every spiking layer, as a forward pass with `trace` returns them.
import { layerName, type LayerId } from './layer';

/**
 * A map from layer name (`layers.I`) to one byte per neuron, (N, C, H, W) or (N, O) in C order: the time step 1..T of
 * its spike, or 0 if it never fired (in the output layer T + 1). `get` and `has` also take the number I and
 * `layers.I.spike_time`.
 */
export class SpikeTimes extends Map<string, Uint8Array> {
  /** Returns the spike times of a layer, by name or number. */
  override get(layer: string | LayerId): Uint8Array | undefined {
    return super.get(keyOf(layer));
  }

  /** Tells whether there are spike times of a layer. */
  override has(layer: string | LayerId): boolean {
    return super.has(keyOf(layer));
  }
}

function keyOf(layer: string | LayerId): string {
  return typeof layer === 'number' ? layerName(layer) : layer.replace(/\.spike_time$/, '');
}
