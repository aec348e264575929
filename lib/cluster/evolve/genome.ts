// The genome of an individual: the initial interactions of its genes, and the file that its training begins with.
import { SeededRandom } from '../../data/random';
import { exists } from '../../io/status';
import type { ResolvedNetwork } from '../../model/description';
import { geneLayers, interactionName } from '../../model/genes/genes';
import { readModel } from '../../model/model-file';
import { Network } from '../../model/network';

/** Interactions by the name of their tensor. */
export type Genome = Map<string, Float32Array>;

const STREAM = 0x65766f;

/** Numbers with a normal distribution, by Box and Muller. */
function* normals(random: SeededRandom): Generator<number, never> {
  for (;;) {
    const radius = Math.sqrt(-2 * Math.log(1 - random.float()));
    const angle = 2 * Math.PI * random.float();
    yield radius * Math.cos(angle);
    yield radius * Math.sin(angle);
  }
}

function sizes(network: ResolvedNetwork): [string, number][] {
  const count = network.genes!.count;
  return geneLayers(network).kernels.map((kernel) => [interactionName(kernel), (kernel * count) ** 2]);
}

/** Interactions with variance 1. The words name the individual; other words give other numbers. */
export function drawGenome(network: ResolvedNetwork, seed: number, ...words: number[]): Genome {
  const source = normals(new SeededRandom(seed, STREAM, ...words));
  const genome: Genome = new Map();
  for (const [name, size] of sizes(network))
    genome.set(
      name,
      Float32Array.from({ length: size }, () => source.next().value),
    );
  return genome;
}

/** The genome of a child: its parent's and a mutation, with the variance that the parent has. */
export function mutated(parent: Genome, mutation: Genome, sigma: number): Genome {
  const keep = 1 / Math.sqrt(1 + sigma * sigma);
  return new Map(
    [...parent].map(([name, numbers]) => {
      const change = mutation.get(name)!;
      return [name, numbers.map((value, i) => keep * (value + sigma * change[i]!))];
    }),
  );
}

/** Writes the network that an individual begins with, unless the file is there. Errors: ERR_IO, ERR_OOM. */
export async function writeBeginning(
  path: string,
  network: ResolvedNetwork,
  seed: number,
  genome: () => Promise<Genome>,
): Promise<void> {
  if (await exists(path)) return;
  const made = await Network.create(network, { backend: 'cpu', seed, threads: 1 });
  try {
    await made.setParameters(await genome());
    await made.save(path);
  } finally {
    await made.dispose();
  }
}

/** The genome that a file begins with. Errors: ERR_IO, ERR_FORMAT. */
export async function readGenome(path: string): Promise<Genome> {
  const { network, tensors } = await readModel(path);
  return new Map(sizes(network).map(([name]) => [name, tensors.get(name)!.data]));
}
