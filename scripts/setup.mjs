#!/usr/bin/env node
// Brings a checkout to the point where it runs: npm packages, system tools, TypeScript, native addon. Each step is
// skipped when what it made is up to date, so that `npm start` and `npm test` can call this every time.
//
//   node scripts/setup.mjs [packages] [tools] [typescript] [native]      no names: all of them, in this order
//   node scripts/setup.mjs --start       all of them, for `npm start`: CUDA kernels only where a driver could run them
//   node scripts/setup.mjs --test        all of them, for `npm test`: CUDA kernels are compiled in any case, without
//                                        optimisation where no driver could run them
//
// ONESPIKE_CUDA=on or off decides over the CUDA kernels in place of the driver.
import fs from 'node:fs';
import {
  avx512,
  buildJobs,
  cudaAsked,
  cudaDriver,
  cudaSettings,
  Failure,
  filesBelow,
  fingerprint,
  inRoot,
  main,
  must,
  nativeSources,
  readStamp,
  root,
  run,
  say,
  withLock,
} from './lib.mjs';
import { writeEntries } from './compiled/entries.mjs';
import { writeJsonSchemas } from './compiled/json-schemas.mjs';
import { makeImportsLazy } from './compiled/lazy-imports.mjs';

const manifest = JSON.parse(fs.readFileSync(inRoot('package.json'), 'utf8'));

/** @type {Record<string, () => Promise<void>>} */
const steps = { packages, tools, typescript, native };

/** Installs what package-lock.json names, when it has changed since the last time. */
async function packages() {
  const stamp = 'node_modules/.onespike';
  const wanted = fingerprint(
    ['package-lock.json'],
    manifest.dependencies,
    manifest.devDependencies,
    process.platform,
    process.arch,
  );
  if (readStamp(stamp) === wanted) return;
  await timed('npm packages', async () => {
    // No dependency needs its install script, npm would only list them as awaiting approval, and onnxruntime-node's (of
    // bench/) would download CUDA libraries.
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
    // npm holds package.json's cpu against the checkout too, which builds where the package has no binary.
    if (!manifest.cpu.includes(process.arch)) args.push('--force');
    const npm = process.env.npm_execpath;
    if (npm?.endsWith('.js')) await must(process.execPath, [npm, ...args]);
    else await must('npm', args);
    fs.writeFileSync(inRoot(stamp), wanted);
  });
}

/** Looks for compiler, CMake and Highway's headers when a build is due, and installs what is missing where it may. */
async function tools() {
  if (nativeUpToDate()) return;
  const missing = await missingTools();
  if (missing.length === 0) return;
  const install = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if ((await run('apt-get', ['--version'])).code !== 0) {
    throw new Failure(
      `Expected a C++20 compiler, make, CMake >= 3.19 and Google Highway's headers, but these are missing ` +
        `(names of Debian's packages): ${missing.join(', ')}. Install them with your system's package manager.`,
    );
  }
  if (process.getuid?.() !== 0) {
    throw new Failure(
      `Expected the packages ${missing.join(', ')} for the native build but they are missing. Run, then try again:\n` +
        `  sudo apt-get update\n  sudo ${install}`,
    );
  }
  await timed(`system packages ${missing.join(', ')}`, async () => {
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    await must('apt-get', ['update'], { env });
    await must('apt-get', install.split(' ').slice(1), { env });
  });
}

async function missingTools() {
  /** @type {(command: string, ...args: string[]) => Promise<boolean>} */
  const works = async (command, ...args) => (await run(command, args)).code === 0;
  const headerFound = async () =>
    works('sh', '-c', 'echo "#include <hwy/highway.h>" | c++ -std=c++20 -E -x c++ - >/dev/null');
  /** @type {string[]} */
  const missing = [];
  if (!(await works('c++', '--version'))) missing.push('g++');
  if (!(await works('cmake', '--version'))) missing.push('cmake');
  if (!(await works('make', '--version')) && !(await works('ninja', '--version'))) missing.push('make');
  if (missing.includes('g++') ? !fs.existsSync('/usr/include/hwy/highway.h') : !(await headerFound()))
    missing.push('libhwy-dev');
  return missing;
}

/** Compiles binding.ts and lib/ to dist/, with what `require` and `import` load and the JSON schemas. */
async function typescript() {
  const sources = ['binding.ts', 'binding-types.ts', ...filesBelow('lib').filter((file) => file.endsWith('.ts'))];
  const stamp = 'dist/.onespike';
  const wanted = fingerprint([
    ...sources,
    'tsconfig.json',
    'tsconfig.build.json',
    'package-lock.json',
    'scripts/compiled/entries.mjs',
    'scripts/compiled/json-schemas.mjs',
    'scripts/compiled/lazy-imports.mjs',
  ]);
  if (readStamp(stamp) === wanted) return;
  await timed('TypeScript', async () => {
    // A file that was removed or renamed must not live on in dist/.
    const listing = JSON.stringify(sources);
    if (readStamp('dist/.sources') !== listing) fs.rmSync(inRoot('dist'), { recursive: true, force: true });
    await must(process.execPath, [
      inRoot('node_modules/typescript/bin/tsc'),
      '-p',
      'tsconfig.build.json',
      '--pretty',
      'false',
    ]);
    makeImportsLazy(inRoot('dist'));
    writeEntries(inRoot('dist'));
    writeJsonSchemas(inRoot('dist'));
    fs.chmodSync(inRoot('dist/lib/cli/main.js'), 0o755);
    fs.writeFileSync(inRoot('dist/.sources'), listing);
    fs.writeFileSync(inRoot(stamp), wanted);
  });
}

const nativeStamp = 'build/.onespike';
const forStart = process.argv.includes('--start');
const cuda = cudaSettings('auto');
const withCuda = cudaAsked() ?? !(forStart && !cudaDriver());
const quickCuda = process.argv.includes('--test') && cudaAsked() === null && !cudaDriver();
const withAvx512 = avx512();

/** @typedef {'optimised' | 'quick' | 'none'} Kernels What a build holds of CUDA. */
/** @type {Kernels} */
const kernels = withCuda ? (quickCuda ? 'quick' : 'optimised') : 'none';

/** @param {Kernels} built */
const nativeFingerprint = (built) =>
  fingerprint(
    [...nativeSources().filter((file) => !/^native\/(test|bench)\//.test(file)), 'package-lock.json'],
    manifest.version,
    built === 'none' ? null : cuda,
    withAvx512,
    ...(built === 'quick' ? [built] : []),
  );

/** A build with better CUDA kernels serves those who need worse ones, or none, as well. */
function nativeUpToDate() {
  if (!fs.existsSync(inRoot('build/Release/onespike.node'))) return false;
  const stamp = readStamp(nativeStamp);
  /** @type {Kernels[]} */
  const all = ['optimised', 'quick', 'none'];
  return all.slice(0, all.indexOf(kernels) + 1).some((built) => stamp === nativeFingerprint(built));
}

/**
 * Shows how far a build is: a line that is rewritten on a terminal, else one every ten seconds. Lines of Ninja are
 * [n/m], of make [ n%].
 */
function buildProgress() {
  let shown = performance.now();
  const terminal = process.stderr.isTTY === true;
  return {
    /** @param {string} text */
    line(text) {
      const step = /^\[\s*(\d+)(?:\/(\d+)|%)\] Building \w+ object .*?([\w.-]+)\.o\b/.exec(text);
      if (step === null || (!terminal && performance.now() - shown < 10_000)) return;
      shown = performance.now();
      const [, done, of, file] = step;
      const line = `onespike: compiling ${of === undefined ? `${done} %` : `${done} of ${of}`}  ${file}`;
      if (terminal) process.stderr.write(`\r\x1b[K${line.slice(0, process.stderr.columns - 1)}`);
      else say(line);
    },
    end() {
      if (terminal) process.stderr.write('\r\x1b[K');
    },
  };
}

/** Builds build/Release/onespike.node. */
async function native() {
  if (nativeUpToDate()) return;
  await timed('native addon (the first build takes a minute or two)', async () => {
    const cache = inRoot('build/CMakeCache.txt');
    // CMake refuses a build folder that was configured elsewhere (a copied or moved checkout).
    if (fs.existsSync(cache) && !fs.readFileSync(cache, 'utf8').includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`)) {
      fs.rmSync(inRoot('build'), { recursive: true });
    }
    const wanted = nativeFingerprint(kernels);
    const progress = buildProgress();
    const output = await must(
      process.execPath,
      [
        inRoot('node_modules/cmake-js/bin/cmake-js'),
        'build',
        `--CDONESPIKE_CUDA=${withCuda ? 'ON' : 'OFF'}`,
        `--CDONESPIKE_AVX512=${withAvx512 ? 'ON' : 'OFF'}`,
        `--CDONESPIKE_CUDA_QUICK=${quickCuda ? 'ON' : 'OFF'}`,
        `--CDONESPIKE_CUDA_ARCHITECTURES=${cuda.architectures}`,
        '--parallel',
        buildJobs(),
      ],
      { onLine: progress.line },
    ).finally(progress.end);
    // CMake says it when it configures, which it does not where a build merely continues.
    const cudaBackend = /CUDA backend: .*/.exec(output)?.[0];
    if (withCuda || cudaAsked() === false) {
      if (cudaBackend !== undefined) say(`onespike: ${cudaBackend}`);
    } else say('onespike: CUDA backend: left out, no NVIDIA driver here (npm test and ONESPIKE_CUDA=on build it)');
    for (const [line] of output.matchAll(/^.*\bwarning: .*$/gm)) say(line);
    fs.writeFileSync(inRoot(nativeStamp), wanted);
  });
}

/**
 * @param {string} what
 * @param {() => Promise<void>} work
 */
async function timed(what, work) {
  say(`onespike: ${what} ...`);
  const start = performance.now();
  await work();
  say(`onespike: ${what.replace(/ \(.*/, '')} done in ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

await main(async () => {
  const names = process.argv.slice(2).filter((name) => name !== '--start' && name !== '--test');
  const unknown = names.find((name) => !(name in steps));
  if (unknown) throw new Failure(`Expected ${Object.keys(steps).join(', ')} for the step but received ${unknown}`);
  if (Number(process.versions.node.split('.')[0]) < 20) {
    throw new Failure(`Expected Node.js 20 or newer but received ${process.version}`);
  }
  const wanted = names.length > 0 ? names : Object.keys(steps);
  await withLock('setup', async () => {
    for (const name of wanted) await steps[name]?.();
  });
});
