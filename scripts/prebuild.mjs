#!/usr/bin/env node
// Makes prebuilds/<platform>-<arch>/onespike.<libc>.node, the binary that the npm package carries.
//
//   node scripts/prebuild.mjs            rebuilds everything (a release)
//   node scripts/prebuild.mjs --reuse    does nothing when the prebuild is up to date, else builds what has changed
import fs from 'node:fs';
import path from 'node:path';
import { cudaSettings, fingerprint, inRoot, main, must, nativeSources, readStamp, say, withLock } from './lib.mjs';

const stage = 'build-prebuild';
const stamp = `${stage}/.onespike`;
const target = `prebuilds/${process.platform}-${process.arch}`;

await main(() => withLock('prebuild', async () => {
  const reuse = process.argv.includes('--reuse');
  // A release holds code for every GPU that it promises.
  const cuda = cudaSettings('all');
  const wanted = fingerprint([...nativeSources(), 'scripts/node-gyp-shim.sh', 'package-lock.json'], cuda);
  const present = fs.existsSync(inRoot(target)) && fs.readdirSync(inRoot(target)).some((file) => file.endsWith('.node'));
  if (reuse && present && readStamp(stamp) === wanted) return;
  fs.rmSync(inRoot(target), { recursive: true, force: true });
  fs.mkdirSync(inRoot(stage), { recursive: true });
  await must(process.execPath, [
    inRoot('node_modules/prebuildify/bin.js'), '--napi', '--strip', '--tag-libc', '--name', 'onespike',
    '--node-gyp', inRoot('scripts/node-gyp-shim.sh'), '--cwd', inRoot(stage), '--out', inRoot('.'),
  ], { env: { ONESPIKE_CUDA_ARCHITECTURES: cuda.architectures, ...(reuse ? { ONESPIKE_PREBUILD: 'build' } : {}) } });
  fs.writeFileSync(inRoot(stamp), wanted);
  for (const file of fs.readdirSync(inRoot(target))) {
    say(`onespike: ${path.join(target, file)}, ${(fs.statSync(inRoot(target, file)).size / 1024).toFixed(0)} KiB`);
  }
}));
