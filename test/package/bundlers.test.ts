// The recipes of docs/BUNDLERS.md, carried out; and what a bundle says that was made without them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';

import { command, commandWith, installPackage, root, type Consumer } from './consumer';
import { withTools } from './tools';

interface Recipe {
  files: Record<string, string>;
  commands: string[];
}

/**
 * The recipe of each section: files by the names behind the language of their blocks, and the commands of its shell
 * blocks.
 */
function recipes(page: string): Map<string, Recipe> {
  const sections = page.split(/^## /m).map((section) => {
    const files: Record<string, string> = {};
    const commands: string[] = [];
    for (const [, language, name, text] of section.matchAll(/^```(\w+) ?(\S*)\n([^]*?)^```$/gm)) {
      if (name !== '') files[name!] = text!;
      else if (language === 'sh') commands.push(...text!.trim().split('\n'));
    }
    return [section.split('\n')[0]!.replace(/^# /, ''), { files, commands }] as const;
  });
  return new Map(sections);
}

const page = recipes(readFileSync(join(root, 'docs/BUNDLERS.md'), 'utf8'));
const program = [...page.values()][0]!.files['app.mjs']!;

withTools(
  'bundlers',
  {
    esbuild: '0.28.2',
    webpack: '5.112.2',
    'webpack-cli': '7.3.1',
    vite: '8.3.8',
    rollup: '4.68.5',
    '@vercel/ncc': '0.45.0',
    next: '16.4.6',
    react: '19.2.0',
    'react-dom': '19.2.0',
  },
  (tools) => {
    let consumer: Consumer;
    beforeAll(() => {
      // Below the tools, so that the bundlers find themselves from there.
      consumer = installPackage(tools);
      // Next.js takes the folder of a lock file for the root of the project.
      writeFileSync(join(tools, 'package-lock.json'), '{}');
      write('app.mjs', program);
    }, 900_000);
    afterAll(() => consumer?.remove());

    function write(name: string, text: string): void {
      mkdirSync(dirname(join(consumer.folder, name)), { recursive: true });
      writeFileSync(join(consumer.folder, name), text);
    }
    const path = `${join(tools, 'node_modules/.bin')}:${process.env.PATH}`;
    const shell = (line: string): string =>
      commandWith({ PATH: path, NEXT_TELEMETRY_DISABLED: '1' }, consumer.folder, 'sh', '-c', line.replace(/^npx /, ''));
    function follow(title: string): void {
      const { files, commands } = page.get(title)!;
      expect(commands.length).toBeGreaterThan(0);
      for (const [name, text] of Object.entries(files)) write(name, text);
      commands.forEach(shell);
    }
    const run = (file: string): string => command(consumer.folder, process.execPath, file);

    test.each([
      ['esbuild', 'dist/app.mjs'],
      ['webpack', 'dist/app.cjs'],
      ['Vite', 'dist/app.js'],
      ['Rollup and Rolldown', 'dist/app.mjs'],
      ['ncc', 'dist/index.mjs'],
    ])(
      '%s',
      (title, file) => {
        if (title === 'Vite') write('package.json', '{ "name": "consumer", "private": true, "type": "module" }');
        follow(title);
        expect(run(file)).toBe('1\n');
      },
      120_000,
    );

    test('Next.js', async () => {
      write('app/layout.js', 'export default ({ children }) => <html><body>{children}</body></html>;\n');
      write('app/page.js', 'export default () => <p>page</p>;\n');
      follow('Next.js');
      const port = await freePort();
      const server = spawn(
        process.execPath,
        [join(tools, 'node_modules/next/dist/bin/next'), 'start', '-H', '127.0.0.1', '-p', String(port)],
        {
          cwd: consumer.folder,
          stdio: 'ignore',
        },
      );
      try {
        expect(await answer(`http://127.0.0.1:${port}/api`)).toEqual({ predictions: 1 });
      } finally {
        server.kill();
        if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
      }
    }, 300_000);

    test('the permission model', () => {
      const [line] = page.get('The permission model')!.commands;
      const [major] = process.versions.node.split('.').map(Number);
      // Node.js 20 and 22 call it experimental, and 20 takes no relative path.
      const flags =
        major! >= 23
          ? line!
          : line!.replace('--permission', '--experimental-permission').replace('=.', `=${consumer.folder}`);
      expect(shell(flags.replace(/^node/, process.execPath))).toBe('1\n');
    });

    describe('a bundle with the code of onespike in it is told to leave it out', () => {
      const failing = `import { Network } from 'onespike';
        Network.create({ input: [1, 8, 8], timesteps: 3, layers: [{ type: 'linear', out: 2, output: true }] })
          .catch((error) => console.log(error.code, error.message));`;
      const advice =
        /^ERR_NO_BACKEND Cannot load the native addon [^]*keep onespike out of the bundle: [^]*docs\/BUNDLERS\.md/;

      test.each([
        ['esbuild', 'inside.cjs', ['esbuild failing.mjs --bundle --platform=node --outfile=inside.cjs']],
        [
          'webpack',
          'dist/inside.cjs',
          [
            'webpack --mode production --target node --entry ./failing.mjs --output-filename inside.cjs --config inside.webpack.cjs',
          ],
        ],
        ['Vite', 'dist/failing.js', ['vite build --ssr failing.mjs --config inside.config.mjs']],
      ])(
        '%s',
        (_, file, lines) => {
          write('failing.mjs', failing);
          write('inside.webpack.cjs', 'module.exports = {};');
          write('inside.config.mjs', 'export default { ssr: { noExternal: true } };');
          lines.forEach(shell);
          expect(run(file)).toMatch(advice);
        },
        120_000,
      );
    });
  },
);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** What a server answers as soon as it does. */
async function answer(url: string): Promise<unknown> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await (await fetch(url)).json();
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
