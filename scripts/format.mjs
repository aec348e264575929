#!/usr/bin/env node
// Formats the sources: clang-format over native/, Biome over everything else, both at 120 columns. The versions are
// pinned in package.json, because two versions of a formatter do not agree.
//
//   node scripts/format.mjs           rewrites what is not formatted, and applies the safe fixes of Biome's linter
//   node scripts/format.mjs --check   changes nothing; exits 1 and names the files that would change
import { filesBelow, inRoot, main, must } from './lib.mjs';

const native = () => filesBelow('native').filter((file) => /\.(c|cc|h|cu|cuh)$/.test(file));

/** @param {{ check: boolean }} options */
export async function format({ check }) {
  /** @type {(script: string, ...args: string[]) => Promise<string>} */
  const node = (script, ...args) => must(process.execPath, [inRoot('node_modules', script), ...args]);
  await node('clang-format-node/build/cli.js', ...(check ? ['--dry-run', '--Werror'] : ['-i']), ...native());
  await node('@biomejs/biome/bin/biome', 'check', ...(check ? [] : ['--write']), '--error-on-warnings', '.');
}

if (process.argv[1] === inRoot('scripts/format.mjs')) {
  await main(() => format({ check: process.argv.includes('--check') }));
}
