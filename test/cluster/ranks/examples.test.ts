// The examples of docs/CLUSTERS.md for Slurm, Docker and Kubernetes, word for word, as far as a machine without these
// goes: stand-ins for sbatch, srun and scontrol set the variables that Slurm documents and start the tasks by mpirun;
// the instructions of the Dockerfile and the command of the MPIJob run here. The networks and images are made small.
// It takes a while, because it starts four jobs of several ranks.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { main, temporaryFolder } from '../../helpers/command-line';
import { linesOf, mpis, run } from './helpers';
import { ranksBelow } from './training';
import { yamlOf } from './yaml';

const folder = temporaryFolder();
const text = readFileSync(join(__dirname, '../../../docs/CLUSTERS.md'), 'utf8');
/** The code blocks in a language. */
const blocks = (language: string): string[] =>
  [...text.matchAll(new RegExp('^```' + language + '\\n([\\s\\S]*?)^```$', 'gm'))].map(([, code]) => code!);
const [dockerfile] = blocks('dockerfile') as [string];
const instructions = dockerfile
  .trim()
  .split('\n')
  .map((line) => /^(\w+) (.*)$/.exec(line)!.slice(1) as [string, string]);

const openmpi = mpis.find(({ name }) => name === 'openmpi');
const reason = openmpi === undefined ? 'no Open MPI here: apt-get install openmpi-bin libopenmpi-dev' : '';
if (reason !== '') console.log(`skipped: the examples of docs/CLUSTERS.md: ${reason}`);
const onMpi = reason === '' ? test : test.skip;

/** A program on the PATH of the examples. */
function program(name: string, lines: string): void {
  const path = join(folder, 'bin', name);
  mkdirSync(join(folder, 'bin'), { recursive: true });
  writeFileSync(path, lines);
  chmodSync(path, 0o755);
}

const small = [
  ...['model.width=0.02', 'model.hidden=[8]', 'dataset.trainCount=32', 'dataset.testCount=8', 'convert.images=8'],
  ...['energy.images=4', 'ann.batch=16', 'snn.batch=16', 'ann.epochs=4', 'snn.epochs=1'],
].flatMap((each) => ['--set', `'${each}'`]);
program(
  'onespike',
  `#!/bin/sh
# Paths of a cluster lie in the folder of the test.
for word do shift; case $word in /runs/*) word=${folder}$word;; esac; set -- "$@" "$word"; done
case $1 in
train) exec '${process.execPath}' '${main}' "$@" ${small.join(' ')} --json;;
resume) exec '${process.execPath}' '${main}' "$@" --json;;
*) exec '${process.execPath}' '${main}' "$@";;
esac
`,
);
program('npx', '#!/bin/sh\nexec "$@"\n');
program('module', '#!/bin/sh\n[ "$*" = "load openmpi" ]\n');
program('scontrol', `#!/bin/sh\n[ "$1" = requeue ] && echo "$2" >> '${folder}/requeued'\n`);
// Options of the command line go before those of the script.
program(
  'sbatch',
  `#!/bin/bash
for script do :; done
options="$(sed -n 's/^#SBATCH //p' "$script" | tr '\\n' ' ') \${*:1:$#-1}"
for option in $options; do
  case $option in
  --ntasks=*) export SLURM_NTASKS=\${option#*=};;
  --cpus-per-task=*) export SLURM_CPUS_PER_TASK=\${option#*=};;
  --time=*) IFS=: read -r h m s <<< "\${option#*=}"; export SLURM_JOB_END_TIME=$(($(date +%s) + 10#$h * 3600 + 10#$m * 60 + 10#$s));;
  --signal=USR1@*|--requeue) ;;
  *) echo "sbatch: no option $option" >&2; exit 1;;
  esac
done
export SLURM_JOB_ID=77
bash "$script"
`,
);
program(
  'srun',
  `#!/bin/bash
options=; while [[ $1 == --* ]]; do options+="$1 "; shift; done
[ "$options" = "--kill-on-bad-exit=1 " ] || { echo "srun: no options $options" >&2; exit 1; }
exec env -u SLURM_JOB_ID STEP_TASKS=$SLURM_NTASKS ${openmpi?.mpirun} -n $SLURM_NTASKS --oversubscribe --bind-to none \\
  '${folder}/bin/task' "$@"
`,
);
program(
  'task',
  `#!/bin/sh
export SLURM_PROCID=$OMPI_COMM_WORLD_RANK SLURM_STEP_NUM_TASKS=$STEP_TASKS SLURM_JOB_ID=77
unset OMPI_COMM_WORLD_RANK OMPI_COMM_WORLD_SIZE
exec "$@"
`,
);

/** The variables of the image, whose folder of libraries lies in that of the test. */
const image = Object.fromEntries(
  instructions
    .filter(([name]) => name === 'ENV')
    .flatMap(([, pairs]) => pairs.split(' ').map((pair) => pair.split('=') as [string, string])),
);
const environment: Record<string, string> = {
  ...image,
  ONESPIKE_CACHE: folder + image.ONESPIKE_CACHE,
  PATH: `${join(folder, 'bin')}${delimiter}${process.env.PATH}`,
  // More ranks than processors.
  OMPI_MCA_rmaps_base_oversubscribe: '1',
  CUDA_VISIBLE_DEVICES: '',
  SCRATCH: join(folder, 'scratch'),
};

beforeAll(() => {
  if (reason !== '') return;
  // What the image does when it is built, but for the installation of packages.
  const build = instructions.find(([name, line]) => name === 'RUN' && line.includes('mpi build'))![1];
  const [install, ...rest] = build.split(' && ');
  expect(install).toBe('npm install --global onespike');
  execFileSync('sh', ['-c', rest.join(' && ').replaceAll('/opt/', `${folder}/opt/`)], {
    env: { ...process.env, ...environment },
  });
}, 60_000);

test('the Dockerfile has instructions that Docker knows, and packages that Debian has', () => {
  expect(instructions.map(([name]) => name)).toEqual(['FROM', 'RUN', 'RUN', 'ENV']);
  const [, packages] = /^apt-get update && apt-get install -y --no-install-recommends (.*)$/.exec(instructions[1]![1])!;
  const { stdout, error } = spawnSync('apt-cache', ['policy', ...packages!.split(' ')], { encoding: 'utf8' });
  // Where there are no lists of packages, nothing is known of any.
  if (error !== undefined || !stdout.includes('Candidate')) return console.log('skipped: no lists of packages');
  expect([...stdout.matchAll(/^(\S+):$/gm)].map(([, name]) => name)).toEqual(packages!.split(' '));
});

onMpi(
  'Docker: what the container runs trains on 4 ranks',
  async () => {
    const [, command] = /^`docker run IMAGE (.*)`$/m.exec(text)!;
    const { status, lines, stderr } = await run('sh', ['-c', `${command!} --out ${folder}/docker`], environment);
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    expect(lines[0]).toMatchObject({ event: 'start', ranks: 4, model: 'vgg9' });
    expect(lines.at(-1)).toMatchObject({ event: 'done' });
  },
  120_000,
);

onMpi(
  'Slurm: the job is saved on the signal, requeued, and goes on',
  async () => {
    const [script] = blocks('bash') as [string];
    const job = join(folder, 'job.sh');
    writeFileSync(job, script);
    for (const name of ['cat', 'dog']) {
      mkdirSync(join(folder, 'scratch/data', name), { recursive: true });
      for (let i = 0; i < 20; i++) {
        const bytes = Uint8Array.from({ length: 192 }, (_, at) => at * (name === 'cat' ? 3 : 7) + i);
        writeFileSync(
          join(folder, 'scratch/data', name, `${i}.ppm`),
          Buffer.concat([Buffer.from('P6 8 8 255\n'), bytes]),
        );
      }
    }
    const submit = (during?: Parameters<typeof run>[3]): ReturnType<typeof run> =>
      run('sbatch', ['--ntasks=2', job], environment, during);
    let sent = false;
    const first = await submit((stdout, child) => {
      if (sent || linesOf(stdout).every(({ event }) => event !== 'epoch')) return;
      sent = true;
      for (const rank of ranksBelow(child.pid!)) process.kill(rank, 'SIGUSR1');
    });
    expect(first.lines[0]).toMatchObject({
      event: 'start',
      ranks: 2,
      run: join(folder, 'scratch/runs/vgg9'),
      resumed: null,
    });
    expect(first.lines.filter(({ event }) => event === 'saved')).toHaveLength(1);
    expect(readFileSync(join(folder, 'requeued'), 'utf8')).toBe('77\n');
    const second = await submit();
    expect(second.lines[0]).toMatchObject({ event: 'start', ranks: 2, resumed: expect.any(Object) });
    expect(second.lines.at(-1)).toMatchObject({ event: 'done' });
    expect(readFileSync(join(folder, 'requeued'), 'utf8')).toBe('77\n');
  },
  180_000,
);

onMpi(
  'Kubernetes: the MPIJob is whole, and its command trains on a rank for each worker',
  async () => {
    const [job] = blocks('yaml') as [string];
    const { apiVersion, kind, metadata, spec } = yamlOf(job) as Record<string, any>;
    expect({ apiVersion, kind, metadata }).toEqual({
      apiVersion: 'kubeflow.org/v2beta1',
      kind: 'MPIJob',
      metadata: { name: 'onespike' },
    });
    const { Launcher, Worker } = spec.mpiReplicaSpecs;
    // Rank 0 writes the run in a worker.
    expect(Worker.template.spec.containers[0].volumeMounts).toEqual([{ name: 'runs', mountPath: '/runs' }]);
    for (const { template } of [Launcher, Worker])
      expect(template.spec.containers).toEqual([expect.objectContaining({ name: expect.any(String), image: 'IMAGE' })]);
    const [command, ...args] = Launcher.template.spec.containers[0].command as string[];
    expect(args.slice(0, 2)).toEqual(['-n', String(Worker.replicas * spec.slotsPerWorker)]);
    const { status, lines, stderr } = await run(command === 'mpirun' ? openmpi!.mpirun : command!, args, environment);
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    expect(lines[0]).toMatchObject({ event: 'start', ranks: 4, model: 'vgg9' });
    expect(existsSync(join(folder, 'runs/vgg9/model.safetensors'))).toBe(true);
  },
  120_000,
);
