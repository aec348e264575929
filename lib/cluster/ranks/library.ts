// The library between onespike and the MPI of this machine: where it is kept, and which one fits.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OneSpikeError } from '../../errors';
import { absolutePath, homeFolder } from '../../io/paths';
import { exists } from '../../io/status';
import { packagePath } from '../../native/version';
import type { MpiFamily } from './place';

/** What `onespike mpi build` records beside a library. */
export interface MpiBuild {
  /** The implementation and its version, such as 'openmpi-4.1.4'. */
  implementation: string;
  /** The library. */
  library: string;
  mpicc: string;
  /** The program that starts ranks of this implementation; null where none was found. */
  mpirun: string | null;
  /** When it was built. */
  built: string;
}

export const recordName = 'built.json';
export const libraryName = 'onespike-mpi.so';

/**
 * The path and the hash of the source that `onespike mpi build` compiles. Errors: ERR_IO where the package has none.
 */
export async function shimSource(): Promise<{ path: string; hash: string }> {
  const path = packagePath('native/comm/mpi-shim.c');
  const text = path === undefined ? undefined : await readFile(path).catch(() => undefined);
  if (path === undefined || text === undefined)
    throw new OneSpikeError('ERR_IO', 'Expected native/comm/mpi-shim.c in the package of onespike but received none');
  return { path, hash: createHash('sha256').update(text).digest('hex').slice(0, 12) };
}

/** The folder of the libraries: ONESPIKE_CACHE, XDG_CACHE_HOME or ~/.cache. Errors: ERR_IO without a home folder. */
export function cacheFolder(): string {
  const { ONESPIKE_CACHE: own, XDG_CACHE_HOME: cache } = process.env;
  if (own) return join(absolutePath(own), 'mpi');
  return join(cache ? absolutePath(cache) : join(homeFolder(), '.cache'), 'onespike', 'mpi');
}

/** The libraries that were built from the source of this version, the latest first. */
export async function builtLibraries(): Promise<MpiBuild[]> {
  const { hash } = await shimSource();
  const folder = cacheFolder();
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(`-${hash}`));
  const builds = await Promise.all(names.map((name) => readBuild(join(folder, name))));
  return builds.flatMap((build) => build ?? []).sort((a, b) => b.built.localeCompare(a.built));
}

/** A folder that is half written has no record. */
async function readBuild(folder: string): Promise<MpiBuild | undefined> {
  const library = join(folder, libraryName);
  try {
    const build = JSON.parse(await readFile(join(folder, recordName), 'utf8')) as Omit<MpiBuild, 'library'>;
    return (await exists(library)) ? { ...build, library } : undefined;
  } catch {
    return undefined;
  }
}

const pmi = /^(mpich|intelmpi|mvapich2)-/;

/** Whether a library is for the MPI that has started the ranks. */
function fits({ implementation }: MpiBuild, family: MpiFamily): boolean {
  if (family === 'any') return true;
  return family === 'mpich' ? pmi.test(implementation) : implementation.startsWith(`${family}-`);
}

const familyNames = { openmpi: 'Open MPI', mpich: 'MPICH or a relative of it', any: 'MPI' } as const;

/**
 * The library for ranks that an MPI of `family` has started: the latest one that was built, or that which ONESPIKE_MPI
 * names by its implementation or path. Errors: ERR_NO_BACKEND with what to do.
 */
export async function libraryFor(family: MpiFamily): Promise<MpiBuild> {
  const { ONESPIKE_MPI: wanted } = process.env;
  const builds = await builtLibraries();
  const fitting = wanted
    ? builds.find(({ implementation, library }) => implementation === wanted || library === absolutePath(wanted))
    : builds.find((build) => fits(build, family));
  if (fitting !== undefined) return fitting;
  const names = builds.map(({ implementation }) => implementation).join(', ') || 'none';
  const expected = wanted ? `${wanted} (ONESPIKE_MPI)` : familyNames[family];
  throw new OneSpikeError(
    'ERR_NO_BACKEND',
    `Expected a library for ${expected} but received ${names}: \`onespike mpi build\` compiles it with the mpicc ` +
      'of that MPI (--mpicc PATH where it is not the one on the PATH)',
  );
}
