// From an ANN with binary activations to the spiking network of one time step that is equal to it (docs/MATHEMATICS.md,
// "Binary activations").
import type { NetworkParameters } from './fold';
import { layerName } from './layer';
import type { FloatTensor } from './parameters';
import { Pace } from './scan';

/** Numbers that are scaled before the event loop may turn. */
const PIECE = 2 ** 18;

/**
 * Returns the parameters of the spiking network: a spike counts as 1 where the activation sends twice the threshold, so
 * the weights of the layer that follows take that factor. Leaks become 1, and so does the threshold of the output
 * layer, whose potential is the logit then. A threshold of neurons that begin with a share of it grows by as much as
 * that share takes away: they fire at the same input. The network must have been folded, unless it has genes.
 */
export async function spikingFromBinary({ network, tensors }: NetworkParameters): Promise<Map<string, FloatTensor>> {
  const spiking = new Map(tensors);
  const pace = new Pace();
  const one = (): FloatTensor => ({ shape: [], data: Float32Array.of(1) });
  let sent = 1;
  for (const [index, layer] of network.layers.entries()) {
    if (layer.type === 'avgpool') continue;
    const name = layerName(index);
    const { shape, data } = tensors.get(`${name}.weight`)!;
    const scaled = new Float32Array(data.length);
    for (let begin = 0; begin < data.length; begin += PIECE) {
      await pace.due();
      const end = Math.min(begin + PIECE, data.length);
      for (let i = begin; i < end; i++) scaled[i] = data[i]! * sent;
    }
    spiking.set(`${name}.weight`, { shape: [...shape], data: scaled });
    const scale = tensors.get(`${name}.gene_scale`);
    if (scale !== undefined)
      spiking.set(`${name}.gene_scale`, { shape: [], data: Float32Array.of(scale.data[0]! * sent) });
    spiking.set(`${name}.leak`, one());
    const threshold = tensors.get(`${name}.threshold`)!.data[0]!;
    if (layer.output) spiking.set(`${name}.threshold`, one());
    else if (network.initialPotential !== undefined)
      spiking.set(`${name}.threshold`, {
        shape: [],
        data: Float32Array.of(threshold / (1 - network.initialPotential)),
      });
    sent = 2 * threshold;
  }
  return spiking;
}
