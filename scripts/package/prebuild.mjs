#!/usr/bin/env node
// Makes prebuilds/<platform>-<arch>/onespike.<libc>.node, the binary that the npm package carries.
//
//   node scripts/package/prebuild.mjs           rebuilds everything, with code for every GPU (a release); refuses
// without nvcc
//   node scripts/package/prebuild.mjs --reuse   for tests: keeps a release's prebuild of these sources, else strips a
// copy of
//                                               build/, which is made from the same sources with the same flags; only
// the
//                                               GPUs that it holds code for may be others, and AVX-512 is in it only
//                                               where this machine has that
import fs from 'node:fs';
import path from 'node:path';
import {
  cudaSettings,
  Failure,
  fingerprint,
  inRoot,
  main,
  must,
  prebuildFingerprint,
  prebuildStamp,
  readStamp,
  say,
  withLock,
} from '../lib.mjs';

const stage = 'build-prebuild';
const target = `prebuilds/${process.platform}-${process.arch}`;
const built = 'build/Release/onespike.node';

/** A release: compiled from nothing, for every GPU. */
async function release() {
  const cuda = cudaSettings('all');
  if (cuda.nvcc === null) throw new Failure('Expected nvcc for a release, which holds CUDA kernels, but found none');
  removeOld();
  await must(
    process.execPath,
    [
      inRoot('node_modules/prebuildify/bin.js'),
      '--napi',
      '--strip',
      '--tag-libc',
      '--name',
      'onespike',
      '--node-gyp',
      inRoot('scripts/package/node-gyp-shim.sh'),
      '--cwd',
      inRoot(stage),
      '--out',
      inRoot('.'),
    ],
    { env: { ONESPIKE_CUDA_ARCHITECTURES: cuda.architectures } },
  );
  fs.writeFileSync(inRoot(prebuildStamp), prebuildFingerprint(cuda));
  report();
}

/**
 * The addon of the checkout, brought up to date and stripped as prebuildify strips. Compiling it once more would take
 * minutes.
 */
async function reuse() {
  await must(process.execPath, [inRoot('scripts/setup.mjs'), '--test']);
  const made = `copy of ${fingerprint([built])}`;
  const wanted = [prebuildFingerprint(cudaSettings('all')), made];
  if (binaries().length > 0 && wanted.includes(readStamp(prebuildStamp))) return;
  removeOld();
  fs.mkdirSync(inRoot(target), { recursive: true });
  await must('strip', ['--strip-all', '-o', inRoot(target, `onespike.${libc()}.node`), inRoot(built)]);
  fs.writeFileSync(inRoot(prebuildStamp), made);
  report();
}

const binaries = () =>
  fs.existsSync(inRoot(target)) ? fs.readdirSync(inRoot(target)).filter((file) => file.endsWith('.node')) : [];

/** The tag of the C library in the file's name, as prebuildify writes it and binding.ts reads it. */
const libc = () => (fs.existsSync('/etc/alpine-release') ? 'musl' : 'glibc');

function removeOld() {
  fs.rmSync(inRoot(target), { recursive: true, force: true });
  fs.rmSync(inRoot(prebuildStamp), { force: true });
  fs.mkdirSync(inRoot(stage), { recursive: true });
}

function report() {
  for (const file of binaries())
    say(`onespike: ${path.join(target, file)}, ${(fs.statSync(inRoot(target, file)).size / 1024).toFixed(0)} KiB`);
}

await main(() => withLock('prebuild', process.argv.includes('--reuse') ? reuse : release));
