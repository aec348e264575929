// The declarations under the compilers that users have: every version that supports the syntax that they are written
// in, as ES module and as CommonJS, with Node's types and with a browser's. Nothing is skipped but the compiler's own
// library, which takes a large part of the time and is not ours.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { command, root } from '../package/consumer';
import { withTools } from '../package/tools';
import { emitDeclarations } from './declarations';

const versions = ['5.4', '5.9', '6.0', '7.0'];

const compilers = Object.fromEntries(versions.map((version) => [`typescript-${version}`, `npm:typescript@${version}`]));

const folder = mkdtempSync(join(tmpdir(), 'onespike-versions-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const program = `
  import { datasets, energyAccount, Network, train, vgg, type ForwardResult, type TrainEvent } from 'onespike';
  export async function use(signal: AbortSignal): Promise<number> {
    await using network = await Network.create(vgg('vgg9', { classes: 10 }), { backend: 'cpu' });
    const result: ForwardResult = await network.forward(new Uint8Array(3072), { signal });
    for await (const event of train({ dataset: { name: 'shapes' } }, { signal })) console.log(event satisfies TrainEvent);
    console.log(datasets.names, energyAccount);
    return result.probabilities.length;
  }
`;

/** A project whose node_modules hold the declarations as a package has them. */
function makeProject(): string {
  const project = join(folder, 'project');
  const installed = join(project, 'node_modules', 'onespike');
  mkdirSync(installed, { recursive: true });
  cpSync(join(root, 'package.json'), join(installed, 'package.json'));
  emitDeclarations(join(installed, 'dist'));
  symlinkSync(join(root, 'node_modules', 'zod'), join(project, 'node_modules', 'zod'));
  for (const extension of ['cts', 'mts']) writeFileSync(join(project, `use.${extension}`), program);
  return project;
}

const settings = {
  "Node's types": { types: ['node'], typeRoots: [join(root, 'node_modules/@types')], lib: ['es2022'] },
  "a browser's types": { types: [], lib: ['es2022', 'dom'] },
};

withTools(`TypeScript ${versions.join(', ')}`, compilers, (tools) => {
  let project: string;
  beforeAll(() => {
    project = makeProject();
  });

  // Each takes seconds, so the browser's types go with the oldest and the newest version alone.
  const pairs = [
    ...versions.map((version) => [version, "Node's types"] as const),
    ...[versions[0]!, versions.at(-1)!].map((version) => [version, "a browser's types"] as const),
  ];
  test.each(pairs)(
    '%s with %s',
    (version, kind) => {
      const compiler = join(tools, 'node_modules', `typescript-${version}`);
      expect(JSON.parse(readFileSync(join(compiler, 'package.json'), 'utf8')).version).toMatch(`${version}.`);
      const compilerOptions = {
        ...settings[kind],
        module: 'nodenext',
        target: 'es2022',
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        skipDefaultLibCheck: true,
        noEmit: true,
      };
      const config = join(project, 'tsconfig.json');
      writeFileSync(config, JSON.stringify({ compilerOptions, files: ['use.cts', 'use.mts'] }));
      command(project, process.execPath, join(compiler, 'bin', 'tsc'), '-p', config);
    },
    300_000,
  );
});
