// Compiles the library between onespike and an MPI, with the compiler of that MPI.
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { OneSpikeError } from '../../errors';
import { makeFolder } from '../../io/folders';
import { absolutePath } from '../../io/paths';
import { exists } from '../../io/status';
import { atomicWrite, removeFile } from '../../io/write';
import { cacheFolder, libraryName, recordName, shimSource, type MpiBuild } from './library';

const run = promisify(execFile);

/** How to get an MPI, in one line. */
export const installAdvice =
  'install one (Debian and Ubuntu: apt-get install openmpi-bin libopenmpi-dev, or mpich libmpich-dev; ' +
  'clusters: module load ...)';

/** The file that the shell would run for a name; undefined if there is none. */
export function onPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const paths = name.includes('/') ? [absolutePath(name)] : folders.map((folder) => join(folder, name));
  return paths.find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Compiles the library, or finds the one that was compiled for the same MPI and version.
 * Errors: ERR_NO_BACKEND if there is no mpicc or it compiles nothing, ERR_IO.
 */
export async function buildLibrary(given = 'mpicc'): Promise<MpiBuild & { status: 'built' | 'present' }> {
  const mpicc = onPath(given);
  if (mpicc === undefined)
    throw new OneSpikeError(
      'ERR_NO_BACKEND',
      `Expected the compiler of an MPI but received no ${given}${given.includes('/') ? '' : ' on the PATH'}: ` +
        `${installAdvice}, or name it by --mpicc PATH`,
    );
  const source = await shimSource();
  const implementation = await implementationOf(mpicc);
  const folder = join(cacheFolder(), `${implementation}-${source.hash}`);
  const library = join(folder, libraryName);
  const mpirun = await launcherBeside(mpicc, implementation);
  const record = { implementation, mpicc, mpirun, built: new Date().toISOString() };
  const present = await exists(library);
  if (!present) {
    await makeFolder(folder);
    await compile(mpicc, source.path, library);
  }
  await atomicWrite(join(folder, recordName), `${JSON.stringify(record, null, 2)}\n`);
  return { ...record, library, status: present ? 'present' : 'built' };
}

/** The compiler writes beside the library, which then appears whole: ranks of other jobs may load it meanwhile. */
async function compile(mpicc: string, source: string, library: string): Promise<void> {
  const half = `${library}.${process.pid}.half`;
  try {
    await run(mpicc, ['-O2', '-shared', '-fPIC', '-fvisibility=hidden', '-pthread', source, '-o', half]);
    await atomicWrite(library, await readFile(half));
  } catch (error) {
    throw compilerFailure(mpicc, error);
  } finally {
    await removeFile(half);
  }
}

function compilerFailure(mpicc: string, error: unknown): OneSpikeError {
  if (error instanceof OneSpikeError) return error;
  const { stderr, message } = error as { stderr?: string; message: string };
  const said = (stderr ?? '').trim().split('\n').slice(0, 3).join('; ') || message;
  return new OneSpikeError('ERR_NO_BACKEND', `Expected ${mpicc} to compile a small library but it failed: ${said}`, {
    cause: error,
  });
}

/** The implementation and version, by the macros of its mpi.h. Errors: ERR_NO_BACKEND. */
async function implementationOf(mpicc: string): Promise<string> {
  const macros = await run('/bin/sh', ['-c', 'echo "#include <mpi.h>" | "$0" -E -dM -x c -', mpicc], {
    maxBuffer: 2 ** 26,
  }).then(
    ({ stdout }) =>
      new Map([...stdout.matchAll(/^#define (\w+) "?([^"\n]*)"?$/gm)].map(([, key, value]) => [key, value])),
    (error) => {
      throw compilerFailure(mpicc, error);
    },
  );
  const version = (...keys: string[]): string | undefined =>
    keys.every((key) => macros.has(key)) ? keys.map((key) => macros.get(key)!.trim()).join('.') : undefined;
  const known = {
    openmpi: version('OMPI_MAJOR_VERSION', 'OMPI_MINOR_VERSION', 'OMPI_RELEASE_VERSION'),
    intelmpi: version('I_MPI_VERSION'),
    mvapich2: version('MVAPICH2_VERSION'),
    mpich: version('MPICH_VERSION'),
    mpi: version('MPI_VERSION', 'MPI_SUBVERSION'),
  };
  const [name, number] = Object.entries(known).find(([, found]) => found !== undefined) ?? ['mpi', 'unknown'];
  return `${name}-${number}`.replace(/[^\w.-]/g, '_');
}

/**
 * The program that starts ranks of the MPI of this compiler: it has the same ending (mpicc.openmpi), or says what it
 * is.
 */
async function launcherBeside(mpicc: string, implementation: string): Promise<string | null> {
  const ending = /^mpicc(.*)$/.exec(basename(mpicc))?.[1] ?? '';
  const family = implementation.split('-')[0]!;
  const names = [`mpirun${ending}`, `mpiexec${ending}`, `mpirun.${family}`, `mpiexec.${family}`, 'mpirun', 'mpiexec'];
  for (const path of new Set(names.map((name) => join(dirname(mpicc), name)))) {
    if (!isProgram(path)) continue;
    const { stdout } = await run(path, ['--version']).catch(() => ({ stdout: '' }));
    if (/Open MPI|OpenRTE/.test(stdout) === (family === 'openmpi')) return path;
  }
  return null;
}
