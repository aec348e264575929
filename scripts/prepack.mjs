#!/usr/bin/env node
// Refuses to pack a package that could not run: without dist/ or without the prebuilt binaries.
import fs from 'node:fs';
import { Failure, filesBelow, inRoot, main } from './lib.mjs';

const promised = ['linux-x64'];

await main(async () => {
  for (const file of ['dist/lib/index.js', 'dist/lib/cli/main.js', 'dist/index.mjs']) {
    if (!fs.existsSync(inRoot(file))) throw new Failure(`Expected ${file} in the package but it is missing: run "npm run build:ts"`);
  }
  for (const platform of promised) {
    if (!filesBelow(`prebuilds/${platform}`).some((file) => file.endsWith('.node'))) {
      throw new Failure(`Expected a binary in prebuilds/${platform} but there is none: run "npm run prebuild" on that platform`);
    }
  }
});
