// How training scales over ranks: steps, exchanges and a model of both, as the tables of docs/SCALING.md.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Failure, main } from '../scripts/lib.mjs';
import { readArguments } from './arguments.mjs';
import { jsonLines, lastJson } from './compare/child.mjs';
import { medianOf } from './compare/rows.mjs';
import { readBuild } from './scaling/build.mjs';
import { assumed } from './scaling/model.mjs';
import { costTable, exchangeTable, gpuTables, paragraph, rankTable, validationTable } from './scaling/tables.mjs';

/**
 * @typedef {import('./scaling/model.mjs').Cluster} Cluster
 * @typedef {import('./scaling/step.mjs').Step} Step
 * @typedef {{ name: string, model: string, hidden: number[] | undefined }} Subject
 */

const usage = `Times training steps on 1, 2 and 4 ranks and the exchanges between ranks, and prints what follows from them.

  npm run bench:scaling -- [--rounds 3] [--iterations 2] [--batch 256] [--gpu-share 0.3] [--gpu-peak 989e12] [--quick yes]
       [--out docs/SCALING.md] [--json]

It needs an MPI (\`onespike mpi build\`) and a C compiler, takes about five minutes on two idle cores, and uses all of
them. --out writes the tables between the two marks of a document. The rate of GPUs is an assumption: the share of their
peak that training reaches. --quick yes: one model, small batches, one round, which say nothing.`;
const values = readArguments(usage, {
  rounds: '3',
  iterations: '2',
  batch: '256',
  'gpu-share': String(assumed.share),
  'gpu-peak': String(assumed.peak),
  quick: 'no',
  out: /** @type {string | undefined} */ (undefined),
});
const quick = values.quick === 'yes';
const [rounds, iterations, batch] = quick
  ? [1, 1, 16]
  : /** @type {[number, number, number]} */ ([values.rounds, values.iterations, values.batch].map(Number));
const cores = availableParallelism();
/** @type {Subject[]} */
const subjects = quick
  ? [{ name: 'VGG-6, hidden 16', model: 'vgg6', hidden: [16] }]
  : [
      { name: 'VGG-9', model: 'vgg9', hidden: undefined },
      { name: 'VGG-16, hidden 512', model: 'vgg16', hidden: [512] },
    ];
const sizes = quick ? [4, 4096] : [4, 1024, 65_536, 2 ** 20, 2 ** 22, 2 ** 24, 2 ** 26];
const here = fileURLToPath(new URL('scaling/', import.meta.url));
/** @type {Awaited<ReturnType<typeof readBuild>>} */
let build;
/** Open MPI asks root, and knows nothing of more ranks than processors. */
const environment = { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };

/** @param {string} text */
const say = (text) => process.stderr.write(`${text}\n`);

/** @param {number} ranks */
const mpirun = (ranks) => [
  build.mpirun,
  '-n',
  String(ranks),
  ...(build.implementation.startsWith('openmpi-') ? ['--oversubscribe', '--bind-to', 'none'] : []),
];

/**
 * The seconds of the steps, for each number of shards.
 *
 * @param {number} ranks 0 for one process that no MPI has started
 * @param {Step} step
 * @returns {Promise<number[][]>}
 */
async function steps(ranks, step) {
  say(`${step.model}, batch ${step.batch}, shards ${step.shards.join(' and ')}, ${ranks || 'no'} ranks`);
  const words = [process.execPath, ...process.execArgv, join(here, 'step.mjs'), JSON.stringify(step)];
  const [program, ...args] = ranks === 0 ? words : [...mpirun(ranks), ...words];
  return (await lastJson(program, args, { ...environment, ONESPIKE_MPI: build.library })).seconds;
}

/** Times of exchanges between two neighbours of so many ranks. */
async function exchanges() {
  const folder = mkdtempSync(join(tmpdir(), 'onespike-scaling-'));
  try {
    const program = join(folder, 'exchange');
    execFileSync('cc', ['-O2', join(here, 'exchange.c'), '-o', program, '-ldl']);
    const [command, ...args] = [...mpirun(2), program, build.library, quick ? '3' : '15', ...sizes.map(String)];
    return /** @type {import('./scaling/model.mjs').Exchange[]} */ (await jsonLines(command, args, environment));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param {Subject} subject */
async function measure({ name, model, hidden }) {
  const step = { model, hidden, batch, warmup: 1, iterations };
  /** @type {{ threads: number[], ranks: number[] }} */
  const turns = { threads: [], ranks: [] };
  for (let round = 0; round < rounds; round++) {
    const both = [
      async () => turns.threads.push(...((await steps(0, { ...step, shards: [2], threads: 2 }))[0] ?? [])),
      async () => turns.ranks.push(...((await steps(2, { ...step, shards: [2], threads: 1 }))[0] ?? [])),
    ];
    // Odd rounds run backwards, so that neither always comes first.
    for (const turn of round % 2 === 0 ? both : both.reverse()) await turn();
  }
  const small = (await steps(0, { ...step, batch: batch / 4, shards: [null], threads: 1 }))[0] ?? [];
  const large = (await steps(0, { ...step, batch: batch / 2, shards: [null], threads: 1 }))[0] ?? [];
  const four = (await steps(4, { ...step, shards: [4], threads: 1 }))[0] ?? [];
  const cost = [];
  for (const images of quick ? [16] : [64, 512]) {
    const more = images < 100 ? 3 * iterations : iterations;
    const [plain = [], divided = []] = await steps(0, {
      ...step,
      batch: images,
      shards: [null, 8],
      threads: 2,
      iterations: more,
    });
    cost.push({ images, plain: medianOf(plain), divided: medianOf(divided) });
  }
  return {
    name,
    threads: medianOf(turns.threads),
    ranks: medianOf(turns.ranks),
    four: medianOf(four),
    small: { batch: batch / 4, seconds: medianOf(small) },
    large: { batch: batch / 2, seconds: medianOf(large) },
    cost,
    bytes: 4 * build.parametersOf(model, hidden),
  };
}

await main(async () => {
  build = await readBuild();
  say('exchanges between two ranks');
  const exchanged = await exchanges();
  const measured = [];
  for (const subject of subjects) measured.push(await measure(subject));
  const cluster = { ...assumed, share: Number(values['gpu-share']), peak: Number(values['gpu-peak']) };
  const processor = `${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${cores} cores`;
  const day = new Date().toISOString().slice(0, 10);
  const machine = `${processor}, ${build.implementation}, Node.js ${process.version}, ${day}`;
  if (values.json) return void console.log(JSON.stringify({ machine, exchanged, measured, cluster }));
  const text = [
    paragraph(`Measured on ${machine}; medians of ${rounds} rounds of ${iterations} steps in turns.`),
    rankTable(measured, batch),
    costTable(measured),
    exchangeTable(exchanged),
    validationTable(measured, exchanged, { batch, cores }),
    gpuTables(build.gpuModels(), cluster),
  ].join('\n\n');
  console.log(text);
  if (values.out === undefined) return;
  const document = readFileSync(values.out, 'utf8');
  const marks = /(<!-- measured -->\n)[\s\S]*(<!-- end -->)/;
  if (!marks.test(document)) throw new Failure(`Expected the marks of the tables in ${values.out} but received none`);
  writeFileSync(
    values.out,
    document.replace(marks, (_, begin, end) => `${begin}\n${text}\n\n${end}`),
  );
});
