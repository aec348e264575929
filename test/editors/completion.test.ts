// The scripts of `onespike completion`, in the shells themselves.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bashScript } from '../../lib/cli/completion/bash';
import { completedCommands } from '../../lib/cli/completion/commands';
import { fishScript } from '../../lib/cli/completion/fish';
import { zshScript } from '../../lib/cli/completion/zsh';
import { buildProgram } from '../../lib/cli/program';
import { cli, temporaryFolder } from '../helpers/command-line';

const folder = temporaryFolder();
const commands = completedCommands(buildProgram());
const file = (name: string): string => join(folder, name);

mkdirSync(file('runs/first'), { recursive: true });
mkdirSync(file('pictures of cats'));
writeFileSync(file('study.json'), '{}');
writeFileSync(file('script.bash'), bashScript(commands));
writeFileSync(file('script.zsh'), zshScript(commands));
writeFileSync(file('script.fish'), fishScript(commands));

test('every command and visible option is there, and the command prints the script', async () => {
  expect(commands.map(({ path }) => path)).toEqual(
    expect.arrayContaining(['', 'train', 'data fetch', 'sweep', 'completion']),
  );
  const train = commands.find(({ path }) => path === 'train')!;
  expect(train.options.map(({ names }) => names.at(-1))).toEqual(
    expect.arrayContaining(['--dataset', '--set', '--help']),
  );
  const { status, events } = await cli(['completion', 'bash', '--json']);
  expect(status).toBe(0);
  expect(events()).toEqual([{ event: 'completion', shell: 'bash', script: bashScript(commands) }]);
  expect((await cli(['completion', 'tcsh'])).status).toBe(2);
});

/** What may stand in place of the last word, in what every shell should find. */
const cases: [line: string, found: string[]][] = [
  ['onespike tra', ['train']],
  ['onespike data ', ['fetch', 'help', 'info']],
  ['onespike train --data', ['--data', '--dataset']],
  ['onespike train --dataset ci', ['cifar10', 'cifar100']],
  ['onespike train --threads 2 --backend cu', ['cuda']],
  ['onespike presets vgg1', ['vgg11', 'vgg16', 'vgg16-genes', 'vgg16-radix', 'vgg16-ttfs']],
  ['onespike data fetch mn', ['mnist']],
  ['onespike bench vgg9 in', ['infer']],
  ['onespike simulate runs/first --code ph', ['phase']],
  ['onespike report runs/fi', ['runs/first']],
  ['onespike report run', ['runs', 'runs/first']],
  ['onespike sweep stu', ['study.json']],
  ['onespike train --data pic', ['pictures of cats']],
  ['onespike predict runs/first study.json stu', ['study.json']],
];

const missing = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status !== 0;
const inShell = (shell: string, title: string, body: () => void): void => {
  if (missing(shell)) console.warn(`skipped: ${shell} is not here (apt-get install ${shell})`);
  (missing(shell) ? test.skip : test)(title, body, 120_000);
};

inShell('bash', 'bash', () => {
  // As readline calls it: the words of the line, and the number of the one at the cursor.
  const program = [
    'source ./script.bash',
    ...cases.map(([line]) => {
      const words = line.split(' ').map((word) => `'${word}'`);
      return `COMP_WORDS=(${words.join(' ')}) COMP_CWORD=${words.length - 1}; _onespike; printf '%s\\t' "\${COMPREPLY[@]}"; echo`;
    }),
    `COMP_WORDS=(onespike train --dataset = mn) COMP_CWORD=4; _onespike; printf '%s\\t' "\${COMPREPLY[@]}"; echo`,
    `COMP_WORDS=(onespike train --dataset =) COMP_CWORD=3; _onespike; printf '%s\\t' "\${COMPREPLY[@]}"; echo`,
  ].join('\n');
  const lines = execFileSync('bash', ['--norc', '-c', program], { cwd: folder, encoding: 'utf8' })
    .trimEnd()
    .split('\n');
  const found = lines.map((line) => line.split('\t').filter(Boolean).sort());
  expect(found.slice(0, cases.length)).toEqual(cases.map(([, words]) => [...words].sort()));
  expect(found.slice(cases.length)).toEqual([
    ['mnist'],
    [
      'cifar10',
      'cifar100',
      'emnist',
      'fashion-mnist',
      'folder',
      'kmnist',
      'mnist',
      'parquet',
      'shapes',
      'svhn',
      'tiny-imagenet',
    ],
  ]);
});

inShell('fish', 'fish', () => {
  const program = ['source ./script.fish', ...cases.map(([line]) => `complete -C '${line}'; echo ==`)].join('\n');
  const output = execFileSync('fish', ['--no-config', '-c', program], { cwd: folder, encoding: 'utf8' });
  const found = output.split('==\n').slice(0, -1);
  const words = found.map((lines) =>
    lines
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split('\t')[0]!.replace(/\/$/, '').replaceAll('\\ ', ' ')),
  );
  for (const [index, [line, expected]] of cases.entries())
    expect([line, words[index]]).toEqual([line, expect.arrayContaining(expected)]);
  expect(words[0]).toEqual(['train']);
  expect(words[3]!.sort()).toEqual(['cifar10', 'cifar100']);
});

inShell('zsh', 'zsh', () => {
  // A real terminal: Tab completes what is unique, and Enter shows the words that the command got.
  const keys: [string, string][] = [
    ['onespike tra\t', 'train'],
    ['onespike train --budg\tcp\t', 'train --budget cpu'],
    ['onespike data fe\tmn\t', 'data fetch mnist'],
    ['onespike report runs/fi\t', 'report runs/first'],
    ['onespike sweep stu\t', 'sweep study.json'],
    ['onespike train --data pic\t', 'train --data pictures of cats'],
  ];
  const program = `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1= RPS1=; autoload -Uz compinit; compinit -u -D; source ./script.zsh; onespike() { print -r -- 'got <'\\"\\$*\\"'>'; }; print rea''dy"
zpty -r z answer '*ready*' || exit 1
${keys.map(([text]) => `zpty -w z $'${text.replaceAll('\t', '\\t')}'; zpty -r z answer '*got <*>*'; print -r -- "$answer"`).join('\n')}
zpty -d z`;
  const output = execFileSync('zsh', ['-f', '-c', program], { cwd: folder, encoding: 'utf8', timeout: 100_000 });
  const got = [...output.matchAll(/^got <(.*)>/gm)].map(([, words]) => words);
  expect(got).toEqual(keys.map(([, words]) => words));
});
