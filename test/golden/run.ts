// node run.js [--backend cpu|cuda] [--cases DIR]: the golden cases without jest, one line of JSON each, and "N passed,
// M failed" at the end. For machines that have Node.js and nothing else (scripts/gpu-pack.sh compiles it).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Network } from '../../lib';
import { goldenNames, readGolden } from '../helpers/golden';
import { checkRelu, checkSpiking, checkTraining, type On, type TrainingRun } from './check';

async function main(): Promise<number> {
  const { values: flags } = parseArgs({
    options: {
      backend: { type: 'string', default: 'cuda' },
      cases: { type: 'string', default: join(__dirname, 'cases') },
    },
  });
  const backend = flags.backend;
  if (backend !== 'cpu' && backend !== 'cuda')
    throw new Error(`Expected cpu or cuda for --backend but received ${backend}`);
  const folder = flags.cases;
  const { runs } = JSON.parse(readFileSync(join(folder, 'training.json'), 'utf8')) as { runs: TrainingRun[] };
  let passed = 0;
  let failed = 0;
  const report = async (name: string, on: On, work: () => Promise<void>): Promise<void> => {
    const error = await work().then(
      () => '',
      (reason: unknown) => (reason instanceof Error ? reason.message : String(reason)),
    );
    if (error === '') passed++;
    else failed++;
    console.log(JSON.stringify({ golden: name, ...on, ok: error === '', error }));
  };
  for (const precision of ['fp32', 'mixed'] as const) {
    const on: On = { backend, precision };
    for (const name of goldenNames(folder)) {
      const golden = await readGolden(folder, name);
      await report(`${name}, spiking`, on, () => checkSpiking(Network, golden, on));
      await report(`${name}, ReLU`, on, () => checkRelu(Network, golden, on));
    }
    for (const run of runs) {
      const golden = await readGolden(folder, run.case);
      await report(`${run.case}, ${run.mode}, ten steps of ${String(run.kind)}`, on, () =>
        checkTraining(Network, golden, run, on),
      );
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
