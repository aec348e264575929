// bench:compare: what it times, how it counts, what it says. The programs it compares with are small scripts here.
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../helpers/command-line';
import { inModule } from '../helpers/module';

const folder = temporaryFolder();
const script = join(__dirname, '..', '..', 'bench', 'compare.mjs');

function compare(
  args: string[],
  options: { env?: Record<string, string>; interrupt?: RegExp } = {},
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...args], {
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      if (options.interrupt?.test(stderr) === true) child.kill('SIGINT');
    });
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}

function program(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

const python = program(
  'python',
  `#!/bin/sh
echo warming up
echo "{\\"imagesPerSecond\\": 10, \\"batch\\": 1, \\"torch\\": \\"$OMP_NUM_THREADS/$OPENBLAS_CORETYPE/$OPENBLAS_L2_SIZE\\", \\"peakRss\\": 1234567890, \\"runtimeRss\\": 200000000, \\"spikesPerNeuron\\": [0.1, 0.2]}"
`,
);
const reference = program('single_spike.py', '');
const failing = program('failing', '#!/bin/sh\necho out of luck >&2\nexit 3\n');
const silent = program('silent', '#!/bin/sh\necho no numbers\n');
const pytorch = ['--python', python, '--reference', reference];
const tiny = [
  '--models',
  'vgg6',
  '--cases',
  'infer',
  '--batch',
  '1',
  '--iterations',
  '1',
  '--warmup',
  '0',
  '--rounds',
  '1',
];

describe('usage', () => {
  test('--help says what there is', async () => {
    const { status, stdout } = await compare(['--help']);
    expect(status).toBe(0);
    for (const flag of ['--python', '--reference', '--opponent', '--targets', '--quick', '--run', '--out'])
      expect(stdout).toContain(flag);
  });

  test.each([
    [[], /--python FILE, a Python that has PyTorch.*--without pytorch/],
    [['--python', python], /--reference FILE.*--without pytorch/],
    [['--python', join(folder, 'none'), '--reference', reference], /--python but there is none at .*none/],
    [['--python', python, '--reference', join(folder, 'none.py')], /--reference but there is none at .*none\.py/],
    [['--without', 'torch'], /pytorch, onnxruntime .* for --without but received 'torch'/],
    [[...pytorch, '--models', 'vgg7'], /vgg6.* for --models but received 'vgg7'/],
    [[...pytorch, '--cases', 'infer,sleep'], /infer, train.* for --cases but received 'sleep'/],
    [[...pytorch, '--rounds', '0'], /at least 1 for --rounds but received '0'/],
    [[...pytorch, '--activity', '2'], /at most 1, for --activity/],
    [[...pytorch, '--cases', 'run'], /--run RUN for the case run/],
    [[...pytorch, '--run', folder], /holds no run\.json/],
    [[...pytorch, '--bath', '3'], /bath/],
  ])('%j is refused', async (args, message) => {
    const { status, stdout, stderr } = await compare(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/hint .*--help/);
  });
});

describe('measuring', () => {
  test('compares with PyTorch in rounds and reports rates, memory and the terms', async () => {
    const out = join(folder, 'table.md');
    const env = { OPENBLAS_CORETYPE: 'Haswell', OPENBLAS_L2_SIZE: '1' };
    const { status, stdout, stderr } = await compare(
      [
        ...tiny,
        ...pytorch,
        '--without',
        'onnxruntime',
        '--rounds',
        '2',
        '--threads',
        '1',
        '--json',
        '--out',
        out,
        '--targets',
      ],
      { env },
    );
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /^1 of 4: onespike, vgg6 infer, batch 1.*\n2 of 4: PyTorch.*\n3 of 4: PyTorch.*\n4 of 4: onespike/,
    );
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.map(({ event }) => event).slice(0, 2)).toEqual(['machine', 'row']);
    expect(events[0]).toMatchObject({
      cpu: expect.any(String),
      runtimeRss: { onespike: expect.any(Number), PyTorch: 200000000 },
      versions: { PyTorch: '1//', onespike: expect.any(String), 'Node.js': process.version },
    });
    const { ours, other, ratio, memory } = events[1];
    expect(other).toMatchObject({
      imagesPerSecond: 10,
      spikesPerNeuron: 0.15000000000000002,
      peakRss: 1234567890,
      rounds: 2,
    });
    expect(ours.rounds).toBe(2);
    expect(ratio).toBeCloseTo(ours.imagesPerSecond / 10, 9);
    // The parameters of vgg6 are the same for both.
    expect(other.peakRss - other.workingSet).toBe(ours.peakRss - ours.workingSet);
    expect(memory).toBeCloseTo(ours.workingSet / other.workingSet, 9);
    expect(
      events.filter(({ event }) => event === 'target').find(({ what }) => what === 'inference / PyTorch'),
    ).toMatchObject({ wanted: 15, value: ratio, reached: ratio >= 15 });
    const table = readFileSync(out, 'utf8');
    expect(table).toMatch(/1 threads?; .*PyTorch 1\/\/.*Batch 1, T = 5, 12 % of the neurons/);
    expect(table).toMatch(/\| vgg6 +\| infer +\| [\d.]+ ms +\| PyTorch +\| 100 ms/);
    expect(table).toMatch(/inference \/ PyTorch +\| ≥ 15 +\| [\d.]+ +\| (reached|missed)/);
  });

  test('says what a trained network is compared with', async () => {
    const run = join(folder, 'run');
    mkdirSync(run);
    const write = (input: number[]): void =>
      writeFileSync(
        join(run, 'run.json'),
        JSON.stringify({
          network: { name: 'vgg9', input, timesteps: 5, layers: [{ type: 'linear', out: 3, output: true }] },
        }),
      );
    write([3, 32, 32]);
    const said = inModule<string>(
      'bench/compare/markdown.mjs',
      ['terms'],
      'return terms(input.machine, input.options);',
      { machine: { versions: {}, runtimeRss: { PyTorch: null } }, options: { activity: 0.12, run } },
    );
    expect(said).toMatch(/PyTorch then runs its plain bench of the same shape/);
    const { status, stderr } = await compare([...pytorch, '--run', run, '--cases', 'run', '--without', 'onnxruntime']);
    expect(status).toBe(1);
    // The folder holds no network that could be timed.
    expect(stderr).toMatch(/bench --json --run .*ended with 1/);
    write([1, 28, 28]);
    const refused = await compare([...pytorch, '--run', run, '--cases', 'run', '--without', 'onnxruntime']);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(/3x32x32 for --run.*1x28x28/);
  });

  test('takes any other program, and fills in its command', async () => {
    const { status, stdout } = await compare([
      ...tiny,
      '--without',
      'pytorch,onnxruntime',
      '--opponent',
      `${process.execPath} -p JSON.stringify({imagesPerSecond:{batch}*7,mode:"{mode}{model}"})`,
      '--json',
    ]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout.split('\n')[1]!)).toMatchObject({
      other: { imagesPerSecond: 7, peakRss: null, workingSet: null, timing: { program: 'opponent' } },
      memory: null,
    });
  });

  test('alone there is nothing to compare with, and no target is judged', async () => {
    const { status, stdout } = await compare([...tiny, '--without', 'pytorch,onnxruntime', '--targets']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/\| vgg6 +\| infer +\| [\d.]+ ms +\| – +\| – +\| – +\| 0\.1/);
    expect(stdout).toMatch(/not measured/);
    expect(stdout).not.toMatch(/reached|missed/);
  });

  test.each([
    [failing, /to succeed but it ended with 3\nout of luck/],
    [silent, /Expected JSON from .* but received 'no numbers'/],
  ])('a program that fails ends it with 1: %s', async (opponent, message) => {
    const { status, stdout, stderr } = await compare([
      ...tiny,
      '--without',
      'pytorch,onnxruntime',
      '--opponent',
      opponent,
    ]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(message);
  });

  test('an interrupt ends it with 130', async () => {
    const { status, stdout } = await compare([...tiny, '--without', 'pytorch,onnxruntime', '--iterations', '100000'], {
      interrupt: /1 of 1/,
    });
    expect({ status, stdout }).toEqual({ status: 130, stdout: '' });
  }, 30_000);
});
