// How the ranks of a host share its processors, and which instruction set they all have.
import { availableParallelism } from 'node:os';
import { readFileSync } from 'node:fs';

/** What a rank tells the others of its processor. */
export interface RankProcessor {
  host: string;
  /** The numbers of the processors that it may run on. */
  processors: number[];
  /** The instruction sets of the CPU kernels that it has, the best first. */
  targets: string[];
  /** What it multiplies bf16 with. */
  bf16: Bf16Unit;
}

/** From the least to the best. */
const BF16_UNITS = ['floats', 'avx512', 'amx'] as const;
type Bf16Unit = (typeof BF16_UNITS)[number];

/** The processors that this process may run on: an MPI may have bound it to some. */
export function allowedProcessors(): number[] {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (list !== undefined) return numbersIn(list);
  } catch {
    // Answered below.
  }
  return Array.from({ length: availableParallelism() }, (_, i) => i);
}

/** '0-2,8' -> 0, 1, 2, 8 */
export function numbersIn(list: string): number[] {
  return list.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number) as [number, number?];
    return Array.from({ length: last! - first + 1 }, (_, i) => first + i);
  });
}

/** The threads of a rank: every processor is divided among the ranks of its host that may run there. */
export function threadsOf(ranks: readonly RankProcessor[], rank: number): number {
  const { host, processors } = ranks[rank]!;
  const here = ranks.filter((other) => other.host === host);
  const share = (number: number): number => 1 / here.filter((other) => other.processors.includes(number)).length;
  const sum = processors.reduce((total, number) => total + share(number), 0);
  // A third of each of three processors is one.
  return Math.max(1, Math.floor(sum + 1e-6));
}

/** The best instruction set that all ranks have, for bf16 too; undefined if they have none in common. */
export function commonProcessor(ranks: readonly RankProcessor[]): { target: string; bf16: Bf16Unit } | undefined {
  const target = ranks[0]!.targets.find((name) => ranks.every(({ targets }) => targets.includes(name)));
  if (target === undefined) return undefined;
  return { target, bf16: BF16_UNITS.find((unit) => ranks.some(({ bf16 }) => bf16 === unit))! };
}
