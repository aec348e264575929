#!/usr/bin/env node
// Runs the tests and closes with one line "N passed, N failed" over all of them; exit code 1 if any failed.
//
//   node scripts/test.mjs                 format, types, jest and the C++ tests
//   node scripts/test.mjs PATTERN...      jest alone, with these arguments
//   node scripts/test.mjs types           the type checker alone
//   node scripts/test.mjs native          the C++ tests alone
//   node scripts/test.mjs docs            the site of the documents: fails where an exported symbol has no description
//                                         or a link leads nowhere; needs the registry
//   node scripts/test.mjs sanitize        the C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer
//   node scripts/test.mjs sanitizers      compiles them, and no more
//   node scripts/test.mjs tidy            clang-tidy over native/; needs clang-tidy 16, which knows
// std::source_location
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { format } from './format.mjs';
import { avx512, buildJobs, inRoot, main, messageOf, must, root, run, say, withLock } from './lib.mjs';

const nothing = { passed: 0, failed: 0, skipped: 0 };

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/**
 * @param {Counts} total
 * @param {Partial<Counts>} counts
 */
function add(total, counts) {
  for (const key of /** @type {const} */ (['passed', 'failed', 'skipped'])) total[key] += counts[key] ?? 0;
}

/** Whether every source is formatted and without findings of the linter, as one test. */
async function form() {
  try {
    await format({ check: true });
    say('PASS format');
    return { ...nothing, passed: 1 };
  } catch (error) {
    say(`FAIL format (npm run format mends what can be mended)\n${messageOf(error)}`);
    return { ...nothing, failed: 1 };
  }
}

/**
 * The type checker over sources and tests, and over scripts and benches, as two tests: jest itself only strips types.
 */
async function types() {
  const total = { ...nothing };
  for (const { name, project } of [
    { name: 'types', project: 'tsconfig.json' },
    { name: 'types of scripts', project: 'tsconfig.scripts.json' },
  ]) {
    const tsc = inRoot('node_modules/typescript/bin/tsc');
    const { code, output } = await run(process.execPath, [tsc, '-p', project, '--pretty', 'false']);
    say(code === 0 ? `PASS ${name}` : `FAIL ${name}\n${output.trimEnd()}`);
    add(total, code === 0 ? { passed: 1 } : { failed: 1 });
  }
  return total;
}

/** The site of the documents, built as one test, and then looked at. */
async function docs() {
  const { code, output } = await run(process.execPath, [inRoot('scripts/docs.mjs')]);
  say(code === 0 ? 'PASS documents as a site' : `FAIL documents as a site\n${output.trimEnd()}`);
  if (code !== 0) return { ...nothing, failed: 1 };
  const total = await jest(['test/editors/site']);
  return { ...total, passed: total.passed + 1 };
}

/** @param {readonly string[]} args */
async function jest(args) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onespike-jest-'));
  try {
    const report = path.join(folder, 'report.json');
    const { code } = await run(
      process.execPath,
      [inRoot('node_modules/jest/bin/jest.js'), '--json', '--outputFile', report, ...args],
      { show: true },
    );
    if (!fs.existsSync(report)) {
      say(`FAIL jest exited with ${code} and left no report`);
      return { ...nothing, failed: 1 };
    }
    const result = JSON.parse(fs.readFileSync(report, 'utf8'));
    // A file that could not be loaded holds no test but is a failure all the same.
    const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
    return {
      passed: result.numPassedTests,
      failed: failed || (code === 0 ? 0 : 1),
      skipped: result.numPendingTests + result.numTodoTests,
    };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The C++ tests of the build that the addon was made from: its objects are linked, not compiled again. Then the CUDA
 * backend on the emulator, which is written for x86-64.
 */
async function native() {
  // The emulator takes most of the time, and so goes first.
  const programs = [...(process.arch === 'x64' ? ['native_tests_emulated'] : []), 'native_tests'];
  await withLock('setup', () =>
    must('cmake', ['--build', 'build', '--target', ...programs, '--parallel', buildJobs()]),
  );
  return inShares(...programs.map((program) => inRoot('build', program)));
}

/**
 * Runs C++ tests two processes at a time, because most tests keep one core busy. Each takes the next of many shares, so
 * that both end at the same time, though some shares take several times as long as others.
 *
 * @param {...string} programs
 */
async function inShares(...programs) {
  const count = 12;
  const shares = programs.flatMap((program) =>
    Array.from({ length: count }, (_, i) => ({ program, share: `--share=${i + 1}/${count}` })),
  );
  const total = { ...nothing };
  await inParallel(2, shares, async ({ program, share }) => add(total, await runNative(program, share)));
  return total;
}

/**
 * Works on all of `items`, `count` at a time.
 *
 * @template T
 * @param {number} count
 * @param {readonly T[]} items
 * @param {(item: T) => Promise<void>} work
 */
async function inParallel(count, items, work) {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: count }, worker));
}

/**
 * Without CUDA, of which no sanitizer sees anything, and with two instruction sets, the plainest and the widest: those
 * between them are compiled from the lines that SSE2 takes, and each more makes build and tests longer.
 */
async function sanitizers() {
  await withLock('sanitize', async () => {
    const wide = avx512();
    const options = [
      '-DONESPIKE_SANITIZE=ON',
      '-DONESPIKE_CUDA=OFF',
      `-DONESPIKE_DISABLED_TARGETS=(HWY_SSSE3|HWY_SSE4${wide ? '|HWY_AVX2' : ''})`,
      `-DONESPIKE_AVX512=${wide ? 'ON' : 'OFF'}`,
    ];
    await must('cmake', ['-S', '.', '-B', 'build-asan', ...options]);
    await must('cmake', ['--build', 'build-asan', '--target', 'native_tests', '--parallel', buildJobs()]);
  });
  return { ...nothing, passed: 1 };
}

async function sanitize() {
  await sanitizers();
  return inShares(inRoot('build-asan/native_tests'));
}

/**
 * clang-tidy over every file of C++ that is compiled, each as one test: the checks of .clang-tidy. One instruction set
 * is enough, since all of them are compiled from the same lines.
 */
async function tidy() {
  const headers = ['node-api-headers/include', 'node-addon-api'].map((name) => inRoot('node_modules', name));
  const options = [
    '-DCMAKE_EXPORT_COMPILE_COMMANDS=ON',
    '-DONESPIKE_CUDA=OFF',
    '-DONESPIKE_DISABLED_TARGETS=(HWY_SSSE3|HWY_SSE4|HWY_AVX3)',
    '-DCMAKE_C_COMPILER=clang-16',
    '-DCMAKE_CXX_COMPILER=clang++-16',
    // What cmake-js passes: with it the addon is compiled too.
    `-DCMAKE_JS_INC=${headers.join(';')}`,
  ];
  await must('cmake', ['-S', '.', '-B', 'build-tidy', '-G', 'Ninja', ...options]);
  /** @type {{ file: string }[]} */
  const commands = JSON.parse(fs.readFileSync(inRoot('build-tidy/compile_commands.json'), 'utf8'));
  const files = [...new Set(commands.map(({ file }) => file))].sort();
  const total = { ...nothing };
  await inParallel(Number(buildJobs()), files, async (file) => {
    const args = ['-p', 'build-tidy', '--quiet', `--header-filter=^${inRoot('native')}/`, file];
    // Files of a unity build include sources by design.
    if (file.includes('/Unity/')) args.unshift('--checks=-bugprone-suspicious-include');
    const { code, output } = await run('clang-tidy-16', args);
    const findings = output.split('\n').filter((line) => /: (warning|error): /.test(line));
    const clean = code === 0 && findings.length === 0;
    say(`${clean ? 'PASS' : 'FAIL'} ${path.relative(root, file)}${clean ? '' : `\n${findings.join('\n') || output}`}`);
    add(total, clean ? { passed: 1 } : { failed: 1 });
  });
  return total;
}

/**
 * Shows what the runner prints, all but its closing line, and reads that.
 *
 * @param {string} binary
 * @param {...string} args
 * @returns {Promise<Counts>}
 */
function runNative(binary, ...args) {
  return new Promise((resolve) => {
    const child = spawn(binary, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    /** @type {RegExpExecArray | null} */
    let closing = null;
    child.stdout.on('data', (chunk) => {
      output += chunk;
      const complete = output.lastIndexOf('\n') + 1;
      process.stderr.write(output.slice(0, complete).replace(/^\d+ passed, \d+ failed\n/m, ''));
      closing = /^(\d+) passed, (\d+) failed$/m.exec(output.slice(0, complete)) ?? closing;
      output = output.slice(complete);
    });
    child.on('error', (error) => resolve(crashed(error.message)));
    child.on('close', (code, signal) => {
      if (!closing)
        return resolve(crashed(`${path.relative(root, binary)} ended with ${signal ?? code} before its last line`));
      const [passed, failed] = [Number(closing[1]), Number(closing[2])];
      // A sanitizer may speak up after the last test (a leak): the exit code is the judge.
      resolve({ passed, failed: code === 0 ? failed : Math.max(failed, 1), skipped: 0 });
    });
  });
}

/** @param {string} message */
function crashed(message) {
  say(`FAIL ${message}`);
  return { ...nothing, failed: 1 };
}

await main(async () => {
  const args = process.argv.slice(2);
  const named = { native, types, docs, sanitize, sanitizers, tidy }[args[0] ?? ''];
  const parts = named ? [named] : args.length > 0 ? [() => jest(args)] : [form, types, () => jest([]), native];
  const total = { ...nothing };
  for (const part of parts) {
    // One part that cannot even start must not hide what the others say.
    const start = performance.now();
    const counts = await part().catch((error) => crashed(messageOf(error)));
    say(`${part.name || 'jest'}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
    add(total, counts);
  }
  console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
  process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
});
