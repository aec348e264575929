// What the scripts of this folder share. Node built-ins only: set-up runs before any package is installed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/**
 * A path inside the repository.
 *
 * @param {string[]} parts
 */
export const inRoot = (...parts) => path.join(root, ...parts);

/** A failure whose message is the whole story: shown without a stack. */
export class Failure extends Error {}

/**
 * The message of whatever was thrown.
 *
 * @param {unknown} error
 */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * The code of an error of the operating system, if it is one.
 *
 * @param {unknown} error
 */
const codeOf = (error) => /** @type {NodeJS.ErrnoException} */ (error).code;

/**
 * Progress goes to stderr: stdout belongs to the program (`npm start -- --json`).
 *
 * @param {unknown} line
 */
export const say = (line) => process.stderr.write(`${line}\n`);

/**
 * Runs a command in the repository and resolves to { code, output }. `show` passes its output on; otherwise the
 * output is kept for the error message, and `onLine` is called with each line as it comes. A command that cannot be
 * started answers code 127.
 *
 * @typedef {{ show?: boolean, env?: Record<string, string | undefined>, cwd?: string, onLine?: (line: string) => void }} RunOptions
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<{ code: number, output: string }>}
 */
export function run(command, args, { show = false, env = {}, cwd = root, onLine } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: show ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
    });
    /** @type {Buffer[]} */
    const chunks = [];
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream?.on('data', (chunk) => {
        chunks.push(chunk);
        if (onLine === undefined) return;
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        lines.forEach(onLine);
      });
    }
    child.on('error', (error) => resolve({ code: 127, output: error.message }));
    child.on('close', (code, signal) => {
      const output = Buffer.concat(chunks).toString();
      resolve({ code: code ?? 1, output: signal ? `${output}\nended by ${signal}` : output });
    });
  });
}

/**
 * Runs a command and throws a Failure with both ends of its output when it fails: compilers put the cause first.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 */
export async function must(command, args, options = {}) {
  const { code, output } = await run(command, args, options);
  if (code !== 0) {
    const lines = output.trim().split('\n');
    if (lines.length > 80) lines.splice(40, lines.length - 60, '  ...');
    const more = args.length > 20 ? ` ... (${args.length} arguments)` : '';
    const called = [command, ...args.slice(0, 20)].join(' ') + more;
    throw new Failure(`${lines.join('\n')}\nExpected "${called}" to succeed but it exited with ${code}`);
  }
  return output;
}

/**
 * All files below `folder` (relative to the repository), sorted; empty when there is none.
 *
 * @param {string} folder
 */
export function filesBelow(folder) {
  const entries = fs.existsSync(inRoot(folder))
    ? fs.readdirSync(inRoot(folder), { recursive: true, withFileTypes: true })
    : [];
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

/**
 * Hash of the names and contents of files of the repository. Contents, not times: a fresh checkout is not a change.
 *
 * @param {readonly string[]} files
 * @param {unknown[]} extra
 */
export function fingerprint(files, ...extra) {
  const hash = createHash('sha256').update(JSON.stringify(extra));
  for (const file of files) hash.update(`\0${file}\0`).update(fs.readFileSync(inRoot(file)));
  return hash.digest('hex');
}

/**
 * The fingerprint that the last successful step left in `file`, or ''.
 *
 * @param {string} file
 */
export const readStamp = (file) => (fs.existsSync(inRoot(file)) ? fs.readFileSync(inRoot(file), 'utf8') : '');

export const nativeSources = () => [
  ...filesBelow('native').filter((file) => /\.(cc|h|cu|cuh|cmake)$/.test(file)),
  'CMakeLists.txt',
];

/**
 * What ONESPIKE_CUDA says of the CUDA kernels: true (on) to compile them, false (off) to leave them out, null where it
 * says nothing.
 */
export function cudaAsked() {
  const value = process.env.ONESPIKE_CUDA ?? '';
  if (value === '') return null;
  if (/^(on|1)$/i.test(value)) return true;
  if (/^(off|0)$/i.test(value)) return false;
  throw new Failure(`Expected on or off for ONESPIKE_CUDA but received ${value}`);
}

/** Whether an NVIDIA driver is loaded: its device file, or that of a GPU that Windows shares with its Linux. */
export const cudaDriver = () => ['/dev/nvidiactl', '/dev/dxg', '/dev/nvhost-gpu'].some((file) => fs.existsSync(file));

/**
 * Whether this machine runs AVX-512: a build of the checkout leaves its code out otherwise, while a release has all
 * instruction sets.
 */
export const avx512 = () =>
  fs.existsSync('/proc/cpuinfo') && /^flags\b.*\bavx512f\b/m.test(fs.readFileSync('/proc/cpuinfo', 'utf8'));

/**
 * What decides beside the sources how the CUDA backend is built: nvcc that came or went, and what to compile for.
 *
 * @param {string} otherwise the architectures where the environment names none
 */
export function cudaSettings(otherwise) {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/local/cuda/bin'];
  const nvcc =
    process.env.CUDACXX ??
    folders.map((folder) => path.join(folder, 'nvcc')).find((file) => fs.existsSync(file)) ??
    null;
  return { nvcc, architectures: process.env.ONESPIKE_CUDA_ARCHITECTURES ?? otherwise };
}

/** What the prebuild was made from: its fingerprint stands in this file. */
export const prebuildStamp = 'build-prebuild/.onespike';
/** @param {ReturnType<typeof cudaSettings>} cuda */
export const prebuildFingerprint = (cuda) =>
  fingerprint([...nativeSources(), 'scripts/package/node-gyp-shim.sh', 'package-lock.json'], cuda);

/** How many compilers run at once; CMAKE_BUILD_PARALLEL_LEVEL overrides it. */
export const buildJobs = () => process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(os.availableParallelism());

/**
 * Runs `work` while holding a lock in the repository, so that two `npm test` do not build into one folder at once.
 * A lock whose owner has died is taken over.
 *
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 */
export async function withLock(name, work) {
  const lock = path.join(
    os.tmpdir(),
    `onespike-${name}-${createHash('sha256').update(root).digest('hex').slice(0, 16)}.lock`,
  );
  let waiting = false;
  for (;;) {
    try {
      fs.writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    if (!ownerAlive(lock)) {
      fs.rmSync(lock, { force: true });
      continue;
    }
    if (!waiting) say(`onespike: waiting for another set-up of this folder to end (${lock})`);
    waiting = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const release = () => fs.rmSync(lock, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    release();
    process.off('exit', release);
  }
}

/** @param {string} lock */
function ownerAlive(lock) {
  try {
    const owner = Number(fs.readFileSync(lock, 'utf8'));
    // Empty while its owner is between creating and writing it; an old empty file is a leftover.
    if (!owner) return Date.now() - fs.statSync(lock).mtimeMs < 5000;
    process.kill(owner, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/**
 * Prints a Failure without its stack, anything else with it, and exits 1.
 *
 * @param {() => Promise<unknown>} work
 */
export async function main(work) {
  try {
    await work();
  } catch (error) {
    say(error instanceof Failure ? `onespike: ${error.message}` : error instanceof Error ? error.stack : error);
    process.exit(1);
  }
}
