// Networks with every encoder and every kind of layer, for comparisons with other programs.
import type { NetworkDescription } from '../../lib/model/description';
import { Network } from '../../lib/model/network';

export const small: NetworkDescription = {
  input: [3, 32, 32],
  timesteps: 4,
  beta: 0.5,
  layers: [
    { type: 'conv', out: 6, bias: true },
    { type: 'avgpool' },
    { type: 'conv', out: 8, kernel: 5, padding: 2, stride: 2 },
    { type: 'avgpool', kernel: 3 },
    { type: 'linear', out: 12, bias: true },
    { type: 'linear', out: 10, output: true },
  ],
};
export const variants: Record<string, Partial<NetworkDescription>> = {
  hybrid: {},
  'a single step': { timesteps: 1 },
  direct: { encoder: 'direct', beta: 0 },
  ttfs: { encoder: 'ttfs', lo: 0.1, hi: 0.8 },
  phase: { encoder: 'phase', timesteps: 10 },
  burst: { encoder: 'burst', timesteps: 7 },
  radix: { encoder: 'radix', timesteps: 5 },
  schedules: { schedules: true },
  'an initial potential': { initialPotential: 0.4, beta: 0 },
  'pools before neurons': {
    layers: [
      { type: 'conv', out: 6, bias: true, pool: 2 },
      { type: 'conv', out: 8, norm: 'batch', pool: 3 },
      ...small.layers.slice(4),
    ],
  },
  normalised: {
    layers: small.layers.map((layer) =>
      layer.type === 'avgpool' || layer.output ? layer : { ...layer, norm: 'batch' as const },
    ),
  },
};

/** A network whose parameters are all somewhere, with thresholds that its neurons reach. */
export async function network(description: NetworkDescription, pixels: Uint8Array): Promise<Network> {
  const made = await Network.create(description, { backend: 'cpu', seed: 5, threads: 1 });
  const moved = new Map<string, Float32Array>();
  for (const [name, { data }] of await made.parameters()) {
    const wave = data.map((_, i) => Math.sin(i + 1));
    if (/bias|running_mean/.test(name))
      moved.set(
        name,
        wave.map((value) => 0.1 * value),
      );
    if (/running_var|kappa|theta/.test(name))
      moved.set(
        name,
        wave.map((value) => 1 + 0.2 * value),
      );
  }
  await made.setParameters(moved);
  await made.calibrate({ pixels }, { scale: 0.6 });
  const leaks = made.layers.map(({ layer }, i): [string, Float32Array] => [
    `layers.${layer}.leak`,
    Float32Array.of([0.9, 1, 0, 0.7][i]!),
  ]);
  await made.setParameters(new Map(leaks));
  return made;
}
