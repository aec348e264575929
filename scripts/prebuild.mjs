#!/usr/bin/env node
// Makes prebuilds/<platform>-<arch>/onespike.<libc>.node, the binary that the npm package carries.
//
//   node scripts/prebuild.mjs            rebuilds everything, with code for every GPU (a release); refuses without nvcc
//   node scripts/prebuild.mjs --reuse    for tests: does nothing when the prebuild is up to date, else builds what has changed, for one kind
//                                        of GPU: all of them take five times as long
import fs from 'node:fs';
import path from 'node:path';
import {
  cudaSettings,
  Failure,
  inRoot,
  main,
  must,
  prebuildFingerprint,
  prebuildStamp,
  readStamp,
  say,
  withLock,
} from './lib.mjs';

const stage = 'build-prebuild';
const target = `prebuilds/${process.platform}-${process.arch}`;

await main(() =>
  withLock('prebuild', async () => {
    const reuse = process.argv.includes('--reuse');
    const cuda = cudaSettings(reuse ? '80' : 'all');
    if (!reuse && cuda.nvcc === null)
      throw new Failure('Expected nvcc for a release, which holds CUDA kernels, but found none');
    const present =
      fs.existsSync(inRoot(target)) && fs.readdirSync(inRoot(target)).some((file) => file.endsWith('.node'));
    if (
      reuse &&
      present &&
      [cuda, cudaSettings('all')].some((each) => readStamp(prebuildStamp) === prebuildFingerprint(each))
    )
      return;
    fs.rmSync(inRoot(target), { recursive: true, force: true });
    fs.rmSync(inRoot(prebuildStamp), { force: true });
    fs.mkdirSync(inRoot(stage), { recursive: true });
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
        inRoot('scripts/node-gyp-shim.sh'),
        '--cwd',
        inRoot(stage),
        '--out',
        inRoot('.'),
      ],
      { env: { ONESPIKE_CUDA_ARCHITECTURES: cuda.architectures, ...(reuse ? { ONESPIKE_PREBUILD: 'build' } : {}) } },
    );
    fs.writeFileSync(inRoot(prebuildStamp), prebuildFingerprint(cuda));
    for (const file of fs.readdirSync(inRoot(target))) {
      say(`onespike: ${path.join(target, file)}, ${(fs.statSync(inRoot(target, file)).size / 1024).toFixed(0)} KiB`);
    }
  }),
);
