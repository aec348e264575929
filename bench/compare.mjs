// Times onespike, PyTorch and onnxruntime in turns, so that all meet the same noise; see compare/flags.mjs for the
// options.
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { comparisonsOf, keyOf, timingsOf } from './compare/cases.mjs';
import { lastJson, stopChild } from './compare/child.mjs';
import { help, parseFlags, UsageError } from './compare/flags.mjs';
import { tableOf, targetTable, terms } from './compare/markdown.mjs';
import { networkOfRun, OnnxModels } from './compare/models.mjs';
import { commandOf, hasOnnxRuntime, programName } from './compare/programs.mjs';
import { rowsOf } from './compare/rows.mjs';
import { judge } from './compare/targets.mjs';
import { messageOf } from '../scripts/lib.mjs';

/**
 * @typedef {import('./compare/cases.mjs').Timing} Timing
 * @typedef {import('./compare/flags.mjs').Options} Options
 * @typedef {import('./compare/rows.mjs').Result} Result
 * @typedef {ReturnType<typeof machineOf>} Machine
 */

/** @param {string} line */
const say = (line) => process.stderr.write(`${line}\n`);
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    interrupted = true;
    stopChild();
  });

/**
 * What the program of every timing said in every round, by the key of the timing. Odd rounds run backwards, so that no
 * program always comes first.
 *
 * @param {Timing[]} timings
 * @param {Options} options
 * @param {OnnxModels} models
 */
async function measure(timings, options, models) {
  /** @type {Map<string, Result[]>} */
  const results = new Map(timings.map((timing) => [keyOf(timing), []]));
  const started = performance.now();
  const all = options.rounds * timings.length;
  let done = 0;
  for (let round = 0; round < options.rounds; round++) {
    for (const timing of round % 2 === 0 ? timings : [...timings].reverse()) {
      const { model, mode, batch, timesteps, threads } = timing;
      const left =
        done === 0 ? '' : `, ${Math.ceil(((performance.now() - started) / done / 60000) * (all - done))} min left`;
      say(
        `${++done} of ${all}: ${programName(timing, options)}, ${model} ${mode}, batch ${batch}, T = ${timesteps}, ${threads} threads${left}`,
      );
      const { command, args, env } = commandOf(timing, options, models);
      const result = await lastJson(command, args, env);
      if (!(result.imagesPerSecond > 0))
        throw new Error(
          `Expected a positive imagesPerSecond from ${programName(timing, options)} but received ${result.imagesPerSecond}`,
        );
      results.get(keyOf(timing))?.push(result);
      if (interrupted) return results;
    }
  }
  return results;
}

/**
 * Where and with what it was measured.
 *
 * @param {ReadonlyMap<string, Result[]>} results
 */
function machineOf(results) {
  const every = [...results.values()].flat();
  /** @param {string} key */
  const first = (key) => every.map((result) => result[key]).find((value) => value !== undefined) ?? null;
  // What interpreter and libraries hold without any network.
  /** @type {(library: string) => number | null} */
  const runtime = (library) => every.find((result) => library in result)?.runtimeRss ?? null;
  const versions = {
    onespike: first('version'),
    PyTorch: first('torch'),
    onnxruntime: first('onnxruntime'),
    'Node.js': process.version,
  };
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    simd: first('simd'),
    cores: cpus().length,
    date: new Date().toISOString().slice(0, 10),
    versions: Object.fromEntries(Object.entries(versions).filter(([, version]) => version !== null)),
    runtimeRss: { onespike: runtime('simd'), PyTorch: runtime('torch') },
  };
}

/**
 * @param {readonly import('./compare/rows.mjs').Row[]} rows
 * @param {Machine} machine
 * @param {Options} options
 */
function report(rows, machine, options) {
  const judged = options.targets ? judge(rows, options.models) : [];
  const text = [
    terms(machine, options),
    tableOf(rows, options),
    ...(options.targets ? [targetTable(judged)] : []),
  ].join('\n\n');
  if (options.out !== undefined) writeFileSync(options.out, `${text}\n`);
  if (!options.json) return console.log(text);
  for (const event of [
    { event: 'machine', ...machine },
    ...rows.map((row) => ({ event: 'row', ...row })),
    ...judged.map((target) => ({ event: 'target', ...target })),
  ])
    console.log(JSON.stringify(event));
}

async function main() {
  const options = parseFlags(process.argv.slice(2));
  if (options.help) return console.log(help);
  const runNetwork = options.run === undefined ? null : networkOfRun(options.run);
  if (runNetwork !== null && !options.without.includes('pytorch') && runNetwork.input.join('x') !== '3x32x32') {
    throw new UsageError(
      `Expected a run on images of 3x32x32 for --run, which is what the reference's bench takes, but received ${runNetwork.input.join('x')}; --without pytorch times it alone`,
    );
  }
  const comparisons = comparisonsOf(options, runNetwork);
  const timings = timingsOf(comparisons);
  if (timings.some(({ program }) => program === 'onnxruntime') && !hasOnnxRuntime()) {
    throw new UsageError(
      'Expected the package onnxruntime-node but it is not installed; run `npm ci --ignore-scripts`, or leave it out with --without onnxruntime',
    );
  }
  const models = new OnnxModels();
  try {
    await models.write(timings);
    const results = await measure(timings, options, models);
    if (!interrupted) report(rowsOf(comparisons, results), machineOf(results), options);
  } finally {
    models.remove();
  }
}

await main().catch((/** @type {unknown} */ error) => {
  if (interrupted) return;
  say(
    error instanceof UsageError
      ? `error ${error.message}\nhint  see npm run bench:compare -- --help`
      : `error ${messageOf(error)}`,
  );
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
if (interrupted) process.exitCode = 130;
