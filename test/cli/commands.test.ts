import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildProgram } from '../../lib/cli/program';
import { cli, cliProcess, temporaryFolder } from '../helpers/command-line';

const folder = temporaryFolder();
const commands = [
  'train',
  'resume',
  'eval',
  'predict',
  'energy',
  'report',
  'export',
  'import',
  'serve',
  'models',
  'sweep',
  'data',
  'bench',
  'presets',
  'doctor',
];

describe('help', () => {
  test('names every command', async () => {
    const { status, stdout } = await cliProcess(['--help']);
    expect(status).toBe(0);
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
  });

  test.each([
    ...commands.filter((name) => name !== 'data' && name !== 'models').map((name) => [name]),
    ['data', 'info'],
    ['data', 'fetch'],
    ['models', 'list'],
    ['models', 'show'],
    ['models', 'fetch'],
  ])('%s %s explains itself with an example', async (...words) => {
    const { status, stdout } = await cli([...words, '--help']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/Examples?:\n {2}\$ onespike /);
    expect(stdout).toContain('--json');
  });

  test('a reader that leaves early is no crash', () => {
    // Far more than a pipe holds, so that the writer meets the closed end.
    const main = join(__dirname, '..', '..', 'dist', 'lib', 'cli', 'main.js');
    const script = `for i in 1 2 3 4 5; do "${process.execPath}" "${main}" presets vgg9; done | head -n 1; "${process.execPath}" "${main}" train --help | true`;
    const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
    expect(stdout).toBe('{\n');
    expect(stderr).toBe('');
  });

  test('the version is that of the package', async () => {
    const { version } = require('../../package.json') as { version: string };
    expect((await cli(['--version'])).stdout.trim()).toBe(version);
  });
});

describe('wrong usage exits 2 with one line and a hint', () => {
  writeFileSync(join(folder, 'broken.json'), '{"snn": ');
  writeFileSync(join(folder, 'unknown.json'), '{"snn": {"epoch": 3}}');
  test.each([
    [['frain'], /unknown command 'frain'.*train/],
    [['train', '--sed', '3'], /unknown option '--sed'.*--se/],
    [['train', 'vgg19'], /Expected one of 'vgg6', .* for preset but received 'vgg19' \(did you mean 'vgg9'/],
    [['train', 'absent.json'], /absent\.json: no such file/],
    [['train', join(folder, 'broken.json')], /JSON/],
    [
      ['train', join(folder, 'unknown.json')],
      /for snn but received the unknown key 'epoch' \(did you mean 'epochs'\?\)/,
    ],
    [['train', '--seed', 'x'], /integer of at least 0 for --seed but received 'x'/],
    [['train', '--seed', '-1'], /integer of at least 0 for --seed but received '-1'/],
    [['train', '--backend', 'gpu'], /backend.*'gpu'/],
    [['train', '--device', '-1'], /from 0 to 1023.*'-1'/],
    [['train', '--set', 'device=0.5'], /integer from 0 to 1023 for device but received 0.5/],
    [['resume', 'absent', '--backend', 'gpu'], /--backend.*'gpu'/],
    [['eval', 'absent', '--device', 'one'], /from 0 to 1023.*'one'/],
    [['bench', '--device', '1024'], /from 0 to 1023.*'1024'/],
    [['train', '--dataset', 'cifar'], /dataset\.name/],
    [['train', '--set', 'snn.optimiser.kind=sgd'], /for snn .*'optimiser' \(did you mean 'optimizer'\?\)/],
    [['train', 'a', 'b'], /too many arguments/],
    [['resume'], /missing required argument 'run'/],
    [['predict'], /missing required argument 'image'/],
    [['data', 'info', 'cifar'], /NAME/],
    [['presets', 'vgg8'], /vgg8/],
  ])('%j', async (args, message) => {
    const { status, stdout, stderr } = await cli(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    const [first, hint, ...rest] = stderr.trimEnd().split('\n');
    expect(first).toMatch(message);
    expect(hint).toMatch(/^hint /);
    expect(rest).toEqual([]);
  });

  test('the hint names the command, and every command can be loaded alone', async () => {
    const commands = buildProgram().commands.map((command) => command.name());
    expect(commands).toContain('resume');
    for (const name of commands) expect(buildProgram(name).commands.map((command) => command.name())).toEqual([name]);
    for (const name of ['resume', 'simulate', 'export'])
      expect((await cli([name])).stderr).toMatch(new RegExp(`^hint .*\`onespike ${name} --help\``, 'm'));
  });

  test('in JSON the error is an object on stdout', async () => {
    const { status, events } = await cliProcess(['train', '--set', 'snn.epochs=-1', '--json']);
    expect(status).toBe(2);
    expect(events()).toEqual([
      { event: 'error', code: 'ERR_ARG', message: expect.stringContaining('snn.epochs'), hint: expect.any(String) },
    ]);
  });
});

test.each([[[]], [['data']]])('no command (%j) prints the help', async (args) => {
  const { status, stdout, stderr } = await cliProcess(args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(/^Usage: onespike/);
});

describe('failure exits 1', () => {
  test.each([
    [['resume', 'absent'], 'ERR_IO'],
    [['eval', 'absent'], 'ERR_IO'],
    [['energy', 'absent'], 'ERR_IO'],
    [['predict', 'absent', 'x.png'], 'ERR_IO'],
    [['train', '--dataset', 'cifar10', '--data', join(folder, 'nothing')], 'ERR_IO'],
    [['train', '--set', 'model.layers=[{"type":"conv","out":4}]'], 'ERR_SHAPE'],
  ])('%j', async (args, code) => {
    const { status, stderr, events } = await cliProcess([...args, '--json'], { cwd: folder });
    expect(status).toBe(1);
    expect(events()).toEqual([{ event: 'error', code, message: expect.any(String) }]);
    expect(stderr).toContain(`(${code})`);
  });
});

describe('what is not there or something else says what was expected, and where to find it', () => {
  const letter = join(folder, 'letter.txt');
  writeFileSync(letter, 'Dear reader, this is neither a network nor a picture.');
  test.each([
    [['resume', 'absent'], /Expected the folder of a run but nothing is at .*absent; a training names its folder/],
    [['report', folder], /Expected the folder of a run but .* holds no run\.json; a training names its folder/],
    [['predict', 'absent.png'], /Expected a picture, a run, a model file .* at absent\.png .*onespike models list/],
    [['import', letter], /Expected safetensors, an archive of torch\.save, an ONNX model or a NIR graph for .*letter/],
  ])('%j', async (args, message) => {
    const { status, stderr } = await cli(args);
    expect(status).toBe(1);
    expect(stderr).toMatch(message);
  });
});

describe('commands without a run', () => {
  test('presets lists all, and prints one as a file that train takes', async () => {
    const list = await cli(['presets']);
    for (const name of ['vgg6', 'vgg7', 'vgg9', 'vgg11', 'vgg16']) expect(list.stdout).toContain(name);
    const one = await cli(['presets', 'vgg9', '--dataset', 'mnist']);
    expect(JSON.parse(one.stdout)).toMatchObject({
      preset: 'vgg9',
      dataset: { name: 'mnist' },
      model: { name: 'vgg9' },
    });
    const json = await cli(['presets', 'vgg9', '--json']);
    expect(json.events()).toMatchObject([
      { event: 'preset', name: 'vgg9', dataset: 'shapes', config: { preset: 'vgg9' } },
    ]);
  });

  test('doctor says what there is', async () => {
    const { status, events } = await cli(['doctor', '--json']);
    expect(status).toBe(0);
    expect(events()).toEqual([
      expect.objectContaining({
        event: 'doctor',
        version: expect.any(String),
        node: process.version,
        simd: expect.any(String),
        backend: expect.stringMatching(/^(cpu|cuda)$/),
        cuda: {
          built: expect.any(Boolean),
          available: expect.any(Boolean),
          reason: expect.any(String),
          devices: expect.any(Array),
        },
        processor: expect.any(String),
        binary: expect.stringMatching(/\.node$/),
        threads: expect.any(Number),
        packages: ['sharp', 'hyparquet'].map((name) => ({ name, purpose: expect.any(String), version: null })),
      }),
    ]);
    const { device, backend } = events()[0]!;
    if (backend === 'cpu') expect(device).toBeNull();
    else expect(Number.isInteger(device)).toBe(true);
    const text = (await cli(['doctor'])).stdout;
    const { available, reason, devices } = events()[0]!.cuda as {
      available: boolean;
      reason: string;
      devices: { name: string }[];
    };
    expect(text).toMatch(available ? /CUDA +ready/ : /CUDA +not used: /);
    for (const name of ['sharp', 'hyparquet'])
      expect(text).toMatch(new RegExp(`^${name} +not installed; for .*: npm install ${name}$`, 'm'));
    for (const words of [reason, ...devices.map(({ name }) => name)]) expect(text).toContain(words);
  });

  test('doctor names the version of an optional package of the project around', async () => {
    const project = join(folder, 'project');
    // As hyparquet has it: the entry deep in the package, and no package.json among its exports.
    const installed = join(project, 'node_modules', 'hyparquet');
    mkdirSync(join(installed, 'src'), { recursive: true });
    writeFileSync(join(project, 'package.json'), '{}');
    const manifest = { name: 'hyparquet', version: '1.2.3', exports: { '.': './src/index.js' } };
    writeFileSync(join(installed, 'package.json'), JSON.stringify(manifest));
    writeFileSync(join(installed, 'src', 'index.js'), '');
    writeFileSync(join(installed, 'src', 'package.json'), '{ "type": "module" }');
    const { stdout } = await cli(['doctor'], { cwd: project });
    expect(stdout).toMatch(/^hyparquet +1\.2\.3$/m);
    expect(stdout).toMatch(/^sharp +not installed/m);
  });

  test('a GPU that is not there is ERR_NO_BACKEND with the reason', async () => {
    const refused = await cli(['bench', 'vgg6', 'infer', '--backend', 'cuda', '--device', '1023', '--json']);
    expect(refused.status).toBe(1);
    expect(refused.events().at(-1)).toMatchObject({
      event: 'error',
      code: 'ERR_NO_BACKEND',
      message: expect.stringMatching(/usable CUDA device.*: .+/),
    });
  });

  test('data info needs no download', async () => {
    const { events } = await cli(['data', 'info', 'shapes', '--json']);
    expect(events()).toEqual([expect.objectContaining({ event: 'data', name: 'shapes', present: true })]);
  });

  test('colour only where it is wanted', async () => {
    const plain = await cliProcess(['doctor']);
    expect(plain.stdout).not.toContain('\x1b');
    const coloured = await cliProcess(['resume', 'absent'], { env: { FORCE_COLOR: '1' } });
    expect(coloured.stderr).toContain('\x1b[31m');
    const refused = await cliProcess(['resume', 'absent'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } });
    expect(refused.stderr).not.toContain('\x1b');
  });
});
