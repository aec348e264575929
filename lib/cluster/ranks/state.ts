// What `onespike doctor` says of MPI.
import { installAdvice, onPath } from './build';
import { builtLibraries } from './library';

/** Whether ranks can be started here, of which MPI, and why not. */
export interface MpiState {
  /** Whether a library was built for an MPI with an mpirun. */
  available: boolean;
  /** The implementation and version that `--ranks` uses, such as 'openmpi-4.1.4'; null without a library. */
  implementation: string | null;
  library: string | null;
  mpirun: string | null;
  /** The mpicc on the PATH; null if there is none. */
  mpicc: string | null;
  /** All implementations that a library was built for, the latest first. */
  built: string[];
  /** Why none is available; empty if one is. */
  reason: string;
}

/** Starts no program. */
export async function mpiState(): Promise<MpiState> {
  const builds = await builtLibraries().catch(() => []);
  const mpicc = onPath('mpicc') ?? null;
  const { implementation = null, library = null, mpirun = null } = builds[0] ?? {};
  const reason =
    implementation === null
      ? mpicc === null
        ? `no mpicc on the PATH: ${installAdvice}, then onespike mpi build`
        : `${mpicc} is there, the library is not built: onespike mpi build`
      : mpirun === null
        ? `no mpirun beside ${builds[0]!.mpicc}: srun can start ranks, --ranks cannot`
        : '';
  const built = builds.map((build) => build.implementation);
  return { available: reason === '', implementation, library, mpirun, mpicc, built, reason };
}
