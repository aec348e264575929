// Which rank this process is, as what has started it says in the environment.

/** The kinds of MPI whose start-up protocols differ. */
export type MpiFamily = 'openmpi' | 'mpich' | 'any';

/** The place of a process among those that mpirun or srun has started together. */
export interface RankPlace {
  rank: number;
  size: number;
  family: MpiFamily;
  /** The program that has started it, in words. */
  launcher: string;
}

/**
 * Variables of launchers, the surest first. MPICH, Intel MPI and MVAPICH speak PMI, Open MPI has variables of its own.
 */
const launchers: readonly { launcher: string; family: MpiFamily; rank: string; size: string }[] = [
  { launcher: 'mpirun', family: 'openmpi', rank: 'OMPI_COMM_WORLD_RANK', size: 'OMPI_COMM_WORLD_SIZE' },
  { launcher: 'mpirun', family: 'mpich', rank: 'PMI_RANK', size: 'PMI_SIZE' },
  // Of a step that srun has started; a batch script itself has no such variable.
  { launcher: 'srun', family: 'any', rank: 'SLURM_PROCID', size: 'SLURM_STEP_NUM_TASKS' },
];

/** The place of this process; null where nothing has started several. */
export function rankPlace(environment: NodeJS.ProcessEnv = process.env): RankPlace | null {
  for (const { launcher, family, ...names } of launchers) {
    const rank = numberIn(environment[names.rank]);
    const size = numberIn(environment[names.size]);
    if (rank === undefined || size === undefined || size < 1 || rank >= size) continue;
    // srun starts single programs, too, that have nothing to do with MPI.
    if (launcher === 'srun' && size === 1) continue;
    return { rank, size, launcher, family };
  }
  return null;
}

function numberIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
