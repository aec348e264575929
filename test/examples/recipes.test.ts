// The recipes of docs/RECIPES.md, as far as they go without containers, Slurm and GitHub: what their files start is
// started in an empty folder, on fewer images.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadRun } from '../../lib/train/run/load-run';
import { cliProcess, temporaryFolder } from '../helpers/command-line';
import { blocksOf, commandsOf, root, type Block } from './blocks';
import { environmentOf, prepareFolder } from './folder';
import { Shell, type Done } from './shell';
import { settings, shorter, shortTraining } from './shorter';

const timeout = 300_000;
const folder = temporaryFolder();
const blocks = blocksOf('docs/RECIPES.md');
const shell = new Shell(folder, environmentOf(folder));

beforeAll(() => prepareFolder(folder), timeout);

/** The text of the file that a block shows. */
const fileOf = (name: string): string => blocks.find((block) => block.name === name)!.text;
/** The commands under a title. */
const commandsUnder = (title: string): string[] =>
  blocks.filter((block: Block) => block.language === 'sh' && block.title.startsWith(title)).flatMap(commandsOf);
/** The words of an instruction of a Dockerfile. */
const instruction = (file: string, name: string): string[] =>
  JSON.parse(new RegExp(`^${name} (?:CMD )?(\\[.*\\])$`, 'm').exec(fileOf(file))![1]!) as string[];

function sound(done: Done): string {
  if (done.status !== 0) throw new Error(`${done.command}: status ${done.status}\n${done.stdout}${done.stderr}`);
  return done.stdout;
}

/** A program that starts trainings, with few trials, short ones, and without npx. */
function shortProgram(name: string): string {
  const main = JSON.stringify(join(root, 'dist/lib/cli/main.js'));
  const node = JSON.stringify(process.execPath);
  const more = settings(shortTraining)
    .map((word) => JSON.stringify(word))
    .join(', ');
  const program = fileOf(name)
    .replace('["npx", "onespike", "train", "vgg6"', `[${node}, ${main}, "train", "vgg6", ${more}`)
    .replace("'npx', ['onespike', 'train', 'vgg6'", `${node}, [${main}, 'train', 'vgg6', ${more}`)
    .replace('n_trials=20', 'n_trials=2')
    .replace('i < 20', 'i < 2');
  writeFileSync(join(folder, name), program);
  return program;
}

test(
  'Docker: a training that SIGTERM interrupts goes on in another process',
  async () => {
    const [program] = instruction('Dockerfile.train', 'ENTRYPOINT');
    expect(program).toBe('node_modules/.bin/onespike');
    const args = shorter(instruction('Dockerfile.train', 'CMD'), folder);
    let stopped = false;
    const interrupted = await cliProcess([...args, '--set', 'ann.epochs=50'], {
      cwd: folder,
      during: (stdout, child) => {
        if (!stopped && /^ann +1\/50/m.test(stdout)) stopped = child.kill('SIGTERM');
      },
    });
    expect([stopped, interrupted.status]).toEqual([true, 130]);
    const [, , stop, again] = commandsUnder('Docker: a server that trains');
    expect(stop).toContain('docker stop');
    const resumed = again!.split(' onespike-train ')[1]!.split(' ');
    sound(await shell.within([...resumed, '--set', 'ann.epochs=2']));
    expect((await loadRun(join(folder, 'runs/mine'))).classes).toHaveLength(10);
  },
  timeout,
);

test(
  'Docker: the server answers, and is healthy',
  async () => {
    const [exported, , , request] = commandsUnder('Docker: a server that answers');
    sound(await shell.carryOut(exported!));
    const served = instruction('Dockerfile.serve', 'CMD');
    sound(await shell.carryOut(`onespike ${served.join(' ')}`));
    expect(sound(await shell.carryOut(request!))).toContain('"predictions"');
    const [node, ...health] = instruction('Dockerfile.serve', 'HEALTHCHECK').map((word) => shell.here(word));
    expect(node).toBe('node');
    expect(spawnSync(process.execPath, health).status).toBe(0);
  },
  timeout,
);

// In the place of Slurm: two jobs of the array side by side, each by the script as it stands.
const sbatch = `#!/bin/sh
for task in 1 2; do
  SLURM_JOB_ID=7 SLURM_ARRAY_TASK_ID=$task sh "$1" > "slurm-7_$task.out" 2>&1 &
done
wait
`;

test(
  'Slurm: the jobs of the array share the trials of a study, and again submitted find nothing to do',
  async () => {
    const [study] = blocksOf('docs/CLI.md').filter(({ name }) => name === 'rates.json');
    writeFileSync(join(folder, 'rates.json'), study!.text);
    renameSync(join(folder, shorter(['sweep', 'rates.json'], folder)[1]!), join(folder, 'rates.json'));
    const script = fileOf('sweep.sbatch');
    expect(script.split('\n')[0]).toBe('#!/bin/sh');
    expect(script.match(/^#SBATCH --[a-z-]+(=\S+)?$/gm)).toHaveLength(6);
    writeFileSync(join(folder, 'sweep.sbatch'), script);
    // What npm install leaves beside the package, and npx looks for.
    const programs = join(folder, 'node_modules/.bin');
    mkdirSync(programs, { recursive: true });
    symlinkSync(join(root, 'dist/lib/cli/main.js'), join(programs, 'onespike'));
    writeFileSync(join(programs, 'sbatch'), sbatch, { mode: 0o755 });
    const [, submit] = commandsUnder('Slurm');
    expect(submit).toBe('sbatch sweep.sbatch');
    const outcomes = (): string[] =>
      readFileSync(join(folder, 'sweeps/rates/results.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { status: string }).status);
    for (let time = 0; time < 2; time++) {
      await shell.outside(`PATH="$PWD/node_modules/.bin:$PATH" ${submit}`);
      const printed = [1, 2].map((task) => readFileSync(join(folder, `slurm-7_${task}.out`), 'utf8')).join('');
      expect(printed).not.toMatch(/^error /m);
      expect(outcomes()).toEqual(['done', 'done']);
    }
  },
  timeout,
);

const python = process.env.ONESPIKE_OPTUNA_PYTHON ?? 'python3';
const absent = spawnSync(python, ['-c', 'import optuna']).status !== 0;
if (absent) console.warn('skipped: the Python package optuna is not here (pip install optuna)');
(absent ? test.skip : test)(
  'Optuna',
  async () => {
    shortProgram('tune.py');
    const { stdout } = await shell.outside(`${python} tune.py`);
    expect(stdout).toMatch(/^\{'rate': [\d.e-]+\} [\d.]+$/m);
  },
  timeout,
);

(absent ? test.skip : test)(
  'Optuna: a trial that is pruned is saved, in a study that goes on',
  async () => {
    const program = shortProgram('tune.py')
      // No accuracy is above 1.
      .replace('MedianPruner()', 'ThresholdPruner(lower=1.1)')
      .replace('n_trials=2', 'n_trials=1')
      .replace('"snn.epochs=1"', '"snn.epochs=50"')
      .replace(/^print.*$/m, 'print([trial.state.name for trial in study.trials])');
    writeFileSync(join(folder, 'prune.py'), program);
    const { stdout } = await shell.outside(`${python} prune.py`);
    expect(stdout).toMatch(/^\['COMPLETE', 'COMPLETE', 'PRUNED'\]$/m);
    const run = join(folder, 'runs/optuna-2');
    const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8');
    expect(lines.match(/"phase":"snn"/g)!.length).toBeLessThan(50);
    sound(await shell.within(['resume', run]));
  },
  timeout,
);

test(
  'a program that tunes',
  async () => {
    shortProgram('tune.mjs');
    const { stdout } = await shell.outside(`${process.execPath} tune.mjs`);
    expect(stdout).toMatch(/^\{ rate: [\d.e-]+, accuracy: [\d.]+ \}$/m);
  },
  timeout,
);

test(
  'GitHub Actions: the training writes what the check reads',
  async () => {
    const workflow = fileOf('.github/workflows/smoke.yml');
    const [install, training] = [...workflow.matchAll(/^ +- run: (?!\|)(.*)$/gm)].map(([, command]) => command!);
    expect(install).toBe('npm install onespike');
    sound(await shell.carryOut(training!));
    const [, check] = /run: \|\n((?: {10}.*\n)+)/.exec(workflow)!;
    const script = check!.replace(/^ +/gm, '');
    await shell.outside(`set -e\n${script.replace('>= 0.9', '>= 0')}`);
    await expect(shell.outside(`set -e\n${script.replace('>= 0.9', '> 1')}`)).rejects.toMatchObject({ code: 1 });
    expect(existsSync(join(folder, 'runs/smoke/report.html'))).toBe(true);
  },
  timeout,
);
