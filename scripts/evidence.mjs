#!/usr/bin/env node
// What each technique of the training recipes gains, alone and together, and what it costs in time: trains every arm of
// examples/evidence.json with one seed, then the baseline, those of several techniques and the best four with two more,
// and writes a table.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { SPECIAL, bestArms, gainTable, rowsOf, timesTable } from './evidence/table.mjs';
import { Failure, inRoot, main, messageOf, say } from './lib.mjs';

const usage = `What each technique gains and costs: trains the arms of examples/evidence.json and writes OUT/evidence.md.

  npm run evidence -- [--out sweeps/evidence] [--data DIR] [--study FILE] [--threads N]
                      [--parallel N] [--rehearse] [--table]

About 37 runs of four minutes on two cores. Interrupted or killed, the same command goes on where it was. --data names
the folder of CIFAR-10. --parallel trains N runs beside each other (1), on the threads of each: more images in the same
time, and times that compare only while nothing else runs. --rehearse does everything in a few minutes with a tiny
network on embedded images, whose numbers say nothing. --table writes the table of the runs that have ended, and trains
nothing.`;

/** Of how many techniques there are more seeds, beside the baseline and several techniques together. */
const BEST = 4;
const MORE_SEEDS = [2, 3];

/** @typedef {import('./evidence/table.mjs').Result} Result */
/** @typedef {{ config: Record<string, any>, arms: Record<string, object>, seeds: number[], name?: string }} Study */

const options = readOptions();

await main(async () => {
  const study = readStudy();
  const [first, second] = ['techniques', 'seeds'].map((name) => path.join(options.out, name));
  if (first === undefined || second === undefined) return;
  if (!options.table) await sweep(study, first);
  const techniques = resultsIn(first);
  const chosen = [...SPECIAL, ...bestArms(rowsOf(techniques), BEST)];
  const arms = Object.fromEntries(Object.entries(study.arms).filter(([arm]) => chosen.includes(arm)));
  if (!options.table) await sweep({ ...study, arms, seeds: MORE_SEEDS }, second);
  const file = path.join(options.out, 'evidence.md');
  fs.writeFileSync(file, await report(techniques, resultsIn(second), chosen));
  say(`onespike: ${file}`);
});

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        out: { type: 'string', default: 'sweeps/evidence' },
        data: { type: 'string' },
        study: { type: 'string', default: inRoot('examples/evidence.json') },
        threads: { type: 'string' },
        parallel: { type: 'string', default: '1' },
        rehearse: { type: 'boolean', default: false },
        table: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(usage);
      process.exit(0);
    }
    return values;
  } catch (error) {
    console.error(`${messageOf(error)}. --help lists the options`);
    process.exit(2);
  }
}

/** @returns {Study} */
function readStudy() {
  const { study: file, data, rehearse } = options;
  /** @type {Study} */
  const study = JSON.parse(fs.readFileSync(file, 'utf8'));
  for (const arm of SPECIAL)
    if (study.arms?.[arm] === undefined) throw new Failure(`${file} has no arm '${arm}', which the table is about`);
  const { config } = study;
  if (data !== undefined) config['dataset'] = { ...config['dataset'], directory: path.resolve(data) };
  if (!rehearse) return study;
  config['dataset'] = { name: 'shapes', trainCount: 100, testCount: 30 };
  config['model'] = { ...config['model'], width: 1 / 16 };
  config['energy'] = { images: 10 };
  config['convert'] = { images: 30 };
  return study;
}

/**
 * Trains a study in a folder, `parallel` trials at a time: one, so that their times can be compared, unless asked.
 *
 * @param {Study} study
 * @param {string} out
 */
async function sweep(study, out) {
  fs.mkdirSync(options.out, { recursive: true });
  const file = `${out}.json`;
  fs.writeFileSync(file, `${JSON.stringify({ ...study, name: path.basename(out) }, null, 2)}\n`);
  const { threads, parallel } = options;
  const args = [
    'sweep',
    file,
    '--out',
    out,
    '--max-parallel',
    parallel,
    ...(threads === undefined ? [] : ['--threads', threads]),
  ];
  const status = await new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [inRoot('dist/lib/cli/main.js'), ...args], { stdio: 'inherit' });
    // Ctrl-C reaches both: the sweep saves and ends, and this program after it.
    const wait = () => undefined;
    process.on('SIGINT', wait);
    child.on('error', reject);
    child.on('close', (code) => {
      process.off('SIGINT', wait);
      resolve(code);
    });
  });
  if (status === 130) process.exit(130);
  if (status !== 0) throw new Failure(`the sweep of ${file} ended with status ${status}`);
}

/**
 * The results of a sweep so far; runs by their whole paths.
 *
 * @param {string} out
 * @returns {Result[]}
 */
function resultsIn(out) {
  const file = path.join(out, 'results.jsonl');
  if (!fs.existsSync(file)) return [];
  const lines = fs.readFileSync(file, 'utf8').split('\n');
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      /** @type {Result} */
      const result = JSON.parse(line);
      return { ...result, run: path.join(out, result.run) };
    });
}

/**
 * @param {readonly Result[]} techniques
 * @param {readonly Result[]} seeds
 * @param {readonly string[]} chosen
 */
async function report(techniques, seeds, chosen) {
  const { readTestRecord } = createRequire(import.meta.url)(inRoot('dist/lib/train/run/test-record.js'));
  const histograms = [];
  for (const { parameters, status, run } of techniques) {
    if (status !== 'done' || !chosen.includes(parameters.arm)) continue;
    const { times } = await readTestRecord(path.join(run, 'test.safetensors'));
    histograms.push(timesTable(parameters.arm, times));
  }
  const [cpu] = os.cpus();
  const processor = cpu?.model ?? 'unknown processor';
  const threads = options.threads ?? os.availableParallelism();
  const machine = `${processor}, ${threads} threads, ${options.parallel} at a time`;
  return [
    `# What each technique gains and costs\n\n${options.rehearse ? 'A rehearsal: these numbers say nothing.\n\n' : ''}${machine}\n\n`,
    gainTable(rowsOf([...techniques, ...seeds])),
    '\n## Spike times of the test images\n\nShares of the neurons of a layer.\n\n',
    histograms.join('\n'),
  ].join('');
}
