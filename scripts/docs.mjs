#!/usr/bin/env node
// Builds the site of the documents, of a page for each command and of the API reference of lib/index.ts into
// docs/reference/html/. TypeDoc reads TypeScript 6 at most, and VitePress is large, so they have a package of their own
// in docs/reference/, installed here on demand: set-up for `npm start` and `npm test` leaves it out.
// Fails where an exported symbol has no description, and where a link leads nowhere.
import fs from 'node:fs';
import path from 'node:path';
import { fingerprint, inRoot, main, must, readStamp, root, say } from './lib.mjs';
import { writePages } from '../docs/reference/pages.mjs';

const folder = inRoot('docs/reference');
const site = path.join(folder, 'site');
/** @type {(file: string, ...args: string[]) => Promise<string>} */
const node = (file, ...args) =>
  must(process.execPath, [path.join(folder, 'node_modules', file), ...args], { cwd: folder });

await main(async () => {
  await must(process.execPath, [inRoot('scripts/setup.mjs'), 'packages', 'typescript']);
  const stamp = 'docs/reference/node_modules/.onespike';
  const wanted = fingerprint(['docs/reference/package-lock.json']);
  if (readStamp(stamp) !== wanted) {
    say('onespike: packages of docs/reference ...');
    await must('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder });
    fs.writeFileSync(inRoot(stamp), wanted);
  }
  fs.rmSync(site, { recursive: true, force: true });
  await node('typedoc/bin/typedoc');
  writePages(root, site);
  await node('vitepress/bin/vitepress.js', 'build');
  say('onespike: docs/reference/html/index.html');
});
