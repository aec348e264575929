// What the suites about class Network share: small networks that are disposed after each test, and batches for them.
import type { NetworkDescription } from '../../../lib/model/description';
import { Network, type NetworkOptions } from '../../../lib/model/network';
import type { On } from '../../helpers/backends';
import { labels, pixels, tiny, TINY_CLASSES, TINY_PIXELS } from '../../lifecycle/helpers';

export const adam = { kind: 'adam', learningRate: 0.01, amsgrad: true } as const;

export function batch(images: number): { pixels: Uint8Array; labels: Int32Array } {
  return { pixels: pixels(images, TINY_PIXELS), labels: labels(images, TINY_CLASSES) };
}

/** Makes networks on one backend, and disposes them after each test of the suite that calls this. */
export function networksOn(on: On): {
  create: (description?: NetworkDescription, options?: NetworkOptions) => Promise<Network>;
  lively: (description?: NetworkDescription, seed?: number) => Promise<Network>;
  disposeLater: (network: Network) => Network;
} {
  const open: Network[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((network) => network.dispose()));
  });
  const disposeLater = (network: Network): Network => {
    open.push(network);
    return network;
  };
  const create = async (
    description: NetworkDescription = tiny,
    options: NetworkOptions = { seed: 1, threads: 1 },
  ): Promise<Network> => disposeLater(await Network.create(description, { ...on, ...options }));
  /** Low thresholds, so that a random network spikes. */
  const lively = (description: NetworkDescription = tiny, seed = 1): Promise<Network> =>
    create(
      {
        ...description,
        layers: description.layers.map((layer) => (layer.type === 'avgpool' ? layer : { ...layer, threshold: 0.2 })),
      },
      { seed, threads: 1 },
    );
  return { create, lively, disposeLater };
}
