#!/usr/bin/env node
// Builds the API reference of lib/index.ts into docs/reference/html/. TypeDoc reads TypeScript 6 at most, so it has a
// package of its own in docs/reference/, installed here on demand: set-up for `npm start` and `npm test` leaves it out.
// Fails where an exported symbol has no description.
import fs from 'node:fs';
import path from 'node:path';
import { fingerprint, inRoot, main, must, readStamp, say } from './lib.mjs';

const folder = inRoot('docs/reference');

await main(async () => {
  await must(process.execPath, [inRoot('scripts/setup.mjs'), 'packages']);
  const stamp = 'docs/reference/node_modules/.onespike';
  const wanted = fingerprint(['docs/reference/package-lock.json']);
  if (readStamp(stamp) !== wanted) {
    say('onespike: packages of docs/reference ...');
    await must('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder });
    fs.writeFileSync(inRoot(stamp), wanted);
  }
  await must(process.execPath, [path.join(folder, 'node_modules/typedoc/bin/typedoc')], { cwd: folder });
  say('onespike: docs/reference/html/index.html');
});
