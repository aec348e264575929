// The commands in the documents, carried out one after the other on small data; every example is one of those that
// tests carry out.
import { cpSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { networksOf } from '../../lib/codes/networks';
import { parseStudy } from '../../lib/cluster/study';
import { checkTrials, trialsOf } from '../../lib/cluster/trials';
import { packagedModel } from '../../lib/zoo';
import { temporaryFolder } from '../helpers/command-line';
import { MlflowServer } from '../tracking/support/mlflow-server';
import {
  blocksOf,
  commandsOf,
  documents,
  exceptionOf,
  ownCommandsOf,
  root,
  shells,
  unclaimed,
  type Block,
} from './blocks';
import { exceptions } from './exceptions';
import { environmentOf, prepareFolder, publishModel, type Published } from './folder';
import { Shell, type Done } from './shell';

/** Commands that need the trained network of the package, which a checkout may lack. */
const ofPackagedModel = ['npx onespike predict cat.png', 'npx onespike models show'];
// Most take a second of processor time, of which a busy machine gives a tenth.
const timeout = 300_000;
const all = documents().flatMap((file) => blocksOf(file));

test('every example is carried out, or is an exception with a reason', () => {
  expect(all.flatMap(unclaimed)).toEqual([]);
  const texts = all.flatMap((block) => [block, ...commandsOf(block).map((text) => ({ ...block, text }))]);
  const unused = exceptions.filter((each) => !texts.some((block) => exceptionOf(block, block.text) === each));
  expect(unused).toEqual([]);
  const tests = exceptions.flatMap(({ test: file }) => file ?? []);
  expect(tests.filter((file) => !existsSync(join(root, file)))).toEqual([]);
});

describe('the check itself', () => {
  const block = (language: string, text: string): Block[] =>
    blocksOf('README.md', `# Title\n\n\`\`\`${language}\n${text}\n\`\`\`\n`);
  test.each([
    ['sh', 'docker build .'],
    ['sh', 'npx onespike doctor\nmake   # a command that is new'],
    ['console', '$ sbatch array.sh\nSubmitted batch job 1'],
    ['python', 'import onespike'],
    ['', 'anything'],
  ])('a new block of %j, %j, must be carried out', (language, text) =>
    expect(block(language, text).flatMap(unclaimed)).toHaveLength(1),
  );
  test.each([
    ['sh', 'npx onespike doctor \\\n  --json   # of this machine'],
    ['console', '$ onespike doctor\nonespike 0.1.0'],
    ['math', 'a + b'],
    ['ts', 'await train();'],
  ])('one of %j, %j, is', (language, text) => expect(block(language, text).flatMap(unclaimed)).toEqual([]));
  test('lines that go on are one command, comments none', () =>
    expect(commandsOf(block('sh', 'a \\\n  --b # c\n# d\ne')[0]!)).toEqual(['a --b', 'e']));
});

describe('carried out', () => {
  const folder = temporaryFolder();
  const mlflow = new MlflowServer();
  const shell = new Shell(folder, environmentOf(folder));
  let published: Published | undefined;

  beforeAll(async () => {
    await prepareFolder(folder);
    sound(await shell.within(['train', 'config.json', '--out', 'runs/mine']));
    cpSync(join(folder, 'runs/mine'), join(folder, 'runs/other'), { recursive: true });
    published = await publishModel(folder);
    shell.replaced.push(
      [/https:\/\/example\.org/, published.url],
      [/\bHEX\b/, published.sha256],
      [/http:\/\/127\.0\.0\.1:5000/, (await mlflow.start()).href.replace(/\/$/, '')],
    );
  }, timeout);
  afterAll(async () => {
    published?.close();
    await mlflow.stop();
  });

  function sound(done: Done): Done {
    const { command, status, stdout, stderr } = done;
    if (status !== 0 || stdout === '') throw new Error(`${command}: status ${status}\n${stdout}${stderr}`);
    return done;
  }

  const titled = (blocks: readonly Block[]): [string, Block][] =>
    blocks.map((block) => [`${block.file}, "${block.title}", line ${block.line}`, block]);

  test.each(titled(all.filter(({ language }) => language === 'json')))('%s', (_title, { text, name }) => {
    writeFileSync(join(folder, name), text);
    const value = JSON.parse(text) as Record<string, unknown>;
    if ('parameters' in value) {
      const study = parseStudy(value, name);
      expect(() => checkTrials(study, trialsOf(study))).not.toThrow();
    } else {
      expect(networksOf(value, false).length).toBeGreaterThan(0);
    }
  });

  test.each(titled(all.filter((block) => shells.includes(block.language) && ownCommandsOf(block).length > 0)))(
    '%s',
    async (_title, block) => {
      for (const command of ownCommandsOf(block)) {
        if (ofPackagedModel.includes(command) && (await packagedModel()) === undefined) continue;
        const { stdout } = sound(await shell.carryOut(command));
        if (block.language === 'console') expectShape(block.text, stdout);
      }
      for (const status of await shell.stop()) expect([0, 130]).toContain(status);
    },
    timeout,
  );

  /** Whether lines that a document shows have the form of lines that were printed, whatever the numbers. */
  function expectShape(documented: string, printed: string): void {
    const shape = (line: string): string =>
      line
        .replace(/ +best$/, '')
        .replace(/\d+ min /g, '')
        .replace(/runs\/\S+/g, 'RUN')
        .replace(/[\d.]+ [kM] /g, '# ')
        .replace(/[\d.]+/g, '#')
        .replace(/\(.* threads, [^)]*\)/, '(MACHINE)')
        .replace(/ +/g, ' ');
    const known = new Set(printed.split('\n').map(shape));
    const lines = documented.split('\n').filter((line) => !/^\$ |^\.\.\.$/.test(line));
    expect(lines.filter((line) => !known.has(shape(line)))).toEqual([]);
  }
});
