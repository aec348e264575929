#!/usr/bin/env node
// Refuses to pack a package that could not run, without dist/ or without the prebuilt binaries, or one whose binary is
// not a release's. The tests pack for themselves, with ONESPIKE_PACK=test.
import fs from 'node:fs';
import {
  cudaSettings,
  Failure,
  filesBelow,
  inRoot,
  main,
  prebuildFingerprint,
  prebuildStamp,
  readStamp,
} from '../lib.mjs';

const promised = ['linux-x64'];

await main(async () => {
  for (const file of ['dist/lib/index.js', 'dist/lib/cli/main.js', 'dist/index.mjs']) {
    if (!fs.existsSync(inRoot(file)))
      throw new Failure(`Expected ${file} in the package but it is missing: run "npm run build:ts"`);
  }
  for (const platform of promised) {
    if (!filesBelow(`prebuilds/${platform}`).some((file) => file.endsWith('.node'))) {
      throw new Failure(
        `Expected a binary in prebuilds/${platform} but there is none: run "npm run prebuild" on that platform`,
      );
    }
  }
  const stamp = readStamp(prebuildStamp);
  if (process.env.ONESPIKE_PACK !== 'test' && (stamp === '' || stamp !== prebuildFingerprint(cudaSettings('all')))) {
    throw new Failure(
      'Expected a binary made from these sources, with code for every GPU, but received another one: run "npm run prebuild"',
    );
  }
});
