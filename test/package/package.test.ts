// What a user of the npm package gets, tried on the packed and installed package.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PUBLISHED } from '../helpers/documents';
import { command, installPackage, root, type Consumer } from './consumer';

const MiB = 1 << 20;
const binary = 'prebuilds/linux-x64/onespike.glibc.node';

let consumer: Consumer;
let files: string[];
// Set-up compiles what has changed, which takes minutes where this file is run alone after a change.
beforeAll(() => {
  consumer = installPackage();
  files = command(consumer.folder, 'tar', '-tzf', consumer.tarball)
    .trim()
    .split('\n')
    .map((file) => file.replace(/^package\//, ''));
}, 900_000);
afterAll(() => consumer?.remove());

describe('the tarball', () => {
  test('holds what is needed to run, and nothing else', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        'package.json',
        'README.md',
        'LICENSE',
        'dist/index.js',
        'dist/lib/index.js',
        'dist/lib/index.d.ts',
        'dist/index.mjs',
        'dist/index.d.mts',
        'dist/lib/cli/main.js',
        binary,
        'docs/API.md',
        'docs/BUNDLERS.md',
        'docs/CLI.md',
      ]),
    );
    const top = new Set(files.map((file) => file.split('/')[0]));
    expect([...top].sort()).toEqual([
      'ARCHITECTURE.md',
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'KNOWN-BUGS.md',
      'LICENSE',
      'README.md',
      'dist',
      'docs',
      'examples',
      'llms.txt',
      'models',
      'native',
      'package.json',
      'prebuilds',
    ]);
    // What `onespike mpi build` compiles, and no other source.
    expect(files.filter((file) => file.startsWith('native/'))).toEqual(['native/comm/mpi-shim.c']);
    expect(files.filter((file) => /tsbuildinfo|\.onespike|\.sources|docs\/(?!codes\/)[^/]*\//.test(file))).toEqual([]);
  });

  test('has a README whose links lead somewhere on the registry’s page too', () => {
    const readme = readFileSync(join(consumer.installed, 'README.md'), 'utf8');
    const targets = [...readme.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!.split('#')[0]!);
    expect(targets.length).toBeGreaterThan(10);
    // A page without a repository resolves no relative link: all are absolute, and those of the package name files that
    // it holds.
    expect(targets.filter((target) => !target.startsWith('https://'))).toEqual([]);
    const ours = targets
      .filter((target) => target.startsWith(PUBLISHED))
      .map((target) => target.replace(PUBLISHED, ''));
    expect(ours.filter((file) => !files.includes(file))).toEqual([]);
  });

  test('runs nothing at installation', () => {
    const manifest = JSON.parse(readFileSync(join(consumer.installed, 'package.json'), 'utf8'));
    for (const script of ['preinstall', 'install', 'postinstall', 'prepare'])
      expect(manifest.scripts).not.toHaveProperty(script);
    expect(Object.keys(manifest.dependencies).sort()).toEqual(['commander', 'zod']);
  });

  // Without CUDA: 2 MiB, of which the binary takes 4 unpacked. The kernels for one kind of GPU may take as much again.
  test('is small', () => {
    const factor = Number(consumer.node(`console.log(require('onespike').backendInfo().binaryCuda ? 2 : 1)`));
    const models = join(consumer.installed, 'models');
    const networks = readdirSync(models).map((name) => statSync(join(models, name)).size);
    expect(statSync(consumer.tarball).size - Math.max(...networks)).toBeLessThan(factor * 2 * MiB);
    expect(statSync(join(consumer.installed, binary)).size).toBeLessThan(factor * 4 * MiB);
  });

  test('brings no native code of others, and few packages', () => {
    const modules = join(consumer.folder, 'node_modules');
    expect(
      readdirSync(modules)
        .filter((name) => !name.startsWith('.'))
        .sort(),
    ).toEqual(['commander', 'onespike', 'zod']);
    const binaries = (readdirSync(modules, { recursive: true }) as string[]).filter((name) => name.endsWith('.node'));
    expect(binaries).toEqual([`onespike/${binary}`]);
  });
});

describe('the binary', () => {
  const installed = () => join(consumer.installed, binary);

  test('needs the C library alone', () => {
    const needed = [...command(root, 'readelf', '-d', installed()).matchAll(/NEEDED.*\[(.*)\]/g)].map(
      (match) => match[1]!,
    );
    expect(needed).toContain('libc.so.6');
    expect(needed.filter((name) => !/^(libc|libm|libpthread|ld-linux-x86-64)\.so/.test(name))).toEqual([]);
  });

  test('says why it uses no GPU, or names one', () => {
    const { binaryCuda, cudaReason, backend, processor } = JSON.parse(
      consumer.node(`console.log(JSON.stringify(require('onespike').backendInfo()))`),
    ) as Record<string, unknown>;
    expect(cudaReason).toEqual(
      backend === 'cuda'
        ? ''
        : binaryCuda
          ? expect.stringMatching(/driver|device/)
          : 'this binary was built without CUDA',
    );
    if (backend === 'cuda') expect(processor).toContain('cuda:');
  });

  test('asks for no newer C library than the one of Ubuntu 22.04', () => {
    const minors = [...command(root, 'readelf', '-V', installed()).matchAll(/GLIBC_2\.(\d+)/g)].map((match) =>
      Number(match[1]),
    );
    expect(Math.max(...minors)).toBeLessThanOrEqual(35);
  });

  test('takes nothing from the host process but Node-API', () => {
    // Weak symbols (w) may stay undefined.
    const symbols = [...command(root, 'nm', '-D', '--undefined-only', installed()).matchAll(/ U (\S+)/g)].map(
      (match) => match[1]!,
    );
    expect(symbols).toContain('napi_create_object');
    expect(symbols.filter((name) => !/^(napi_|node_api_)|@GLIBC_/.test(name))).toEqual([]);
  });

  test('shows the host process two symbols', () => {
    const symbols = command(root, 'nm', '-D', '--defined-only', installed())
      .trim()
      .split('\n')
      .map((line) => line.split(' ').pop());
    expect(symbols.sort()).toEqual(['napi_register_module_v1', 'node_api_module_get_api_version_v1']);
  });
});

describe('the module', () => {
  const tiny = `{ input: [1, 8, 8], timesteps: 3, mean: [0.5], std: [0.5], layers: [
    { type: 'conv', out: 4 }, { type: 'avgpool' }, { type: 'linear', out: 3, output: true }] }`;
  const use = `
    (async () => {
      const network = await Network.create(${tiny}, { backend: 'cpu', seed: 1, threads: 1 });
      const { logits } = await network.forward(new Uint8Array(2 * 64).fill(200));
      await network.dispose();
      console.log(logits.length);
    })();`;

  test('loads by require', () => {
    expect(consumer.node(`const { Network } = require('onespike');${use}`)).toBe('6\n');
  });

  test('loads by import', () => {
    expect(consumer.node(`import { Network } from 'onespike';${use}`, 'mjs')).toBe('6\n');
  });

  test('is one and the same by either way', () => {
    const names = consumer.node(
      `
      import { createRequire } from 'node:module';
      import * as imported from 'onespike';
      const required = createRequire(import.meta.url)('onespike');
      for (const name of Object.keys(required)) if (imported[name] !== required[name]) throw new Error(name);
      console.log(Object.keys(imported).filter((name) => name !== 'default').sort().join() === Object.keys(required).sort().join());`,
      'mjs',
    );
    expect(names).toBe('true\n');
  });

  test('has types for both', () => {
    const program = `
      import { Network, vgg, train, isOneSpikeError, type TrainEvent } from 'onespike';
      export async function use(signal: AbortSignal): Promise<number> {
        const network = await Network.create(vgg('vgg9', { classes: 10, timesteps: 5 }), { backend: 'cpu', seed: 1 });
        const { logits } = await network.forward(new Uint8Array(3072), { trace: true, signal });
        const events: TrainEvent[] = [];
        try { for await (const event of train({ dataset: { name: 'shapes' } }, { signal })) events.push(event); }
        catch (error) { if (!isOneSpikeError(error) || error.code !== 'ERR_ABORTED') throw error; }
        await network.dispose();
        // @ts-expect-error: no such backend
        await Network.create(vgg('vgg9'), { backend: 'tpu' });
        return logits[0]! + events.length;
      }`;
    for (const extension of ['cts', 'mts']) writeFileSync(join(consumer.folder, `use.${extension}`), program);
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      strict: true,
      noEmit: true,
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
    };
    writeFileSync(
      join(consumer.folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['use.cts', 'use.mts'] }),
    );
    command(consumer.folder, process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '-p', consumer.folder);
  });

  test('trains', () => {
    const output = consumer.node(
      `
      import { train } from 'onespike';
      const config = {
        dataset: { name: 'shapes', trainCount: 60, testCount: 20, size: 16 },
        model: { timesteps: 2, layers: [{ type: 'conv', out: 4 }, { type: 'avgpool' }, { type: 'linear', out: 10, output: true }] },
        ann: { epochs: 1 }, snn: { epochs: 1 }, threads: 1, out: 'run',
      };
      for await (const { event } of train(config)) console.log(event);`,
      'mjs',
    );
    const milestones = output
      .trim()
      .split('\n')
      .filter((event) => ['start', 'epoch', 'converted', 'done'].includes(event));
    expect(milestones).toEqual(['start', 'epoch', 'converted', 'epoch', 'done']);
    expect(readdirSync(join(consumer.folder, 'run'))).toEqual(
      expect.arrayContaining(['run.json', 'metrics.jsonl', 'model.safetensors']),
    );
  }, 120_000);

  test('brings the command line', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(command(consumer.folder, 'node_modules/.bin/onespike', '--version').trim()).toBe(version);
  });
});

describe('the examples', () => {
  const examples = readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.mjs'));

  test('are there', () => expect(examples.length).toBeGreaterThan(0));

  test.each(examples)(
    '%s runs',
    (file) => {
      cpSync(join(root, 'examples', file), join(consumer.folder, file));
      expect(command(consumer.folder, process.execPath, file)).not.toBe('');
    },
    120_000,
  );
});

test('packing without the compiled files or without a binary is refused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'onespike-prepack-'));
  try {
    cpSync(join(root, 'scripts'), join(folder, 'scripts'), { recursive: true });
    const prepack = () => command(folder, process.execPath, 'scripts/package/prepack.mjs');
    expect(prepack).toThrow('Expected dist/lib/index.js in the package');
    for (const file of ['dist/lib/index.js', 'dist/lib/cli/main.js', 'dist/index.mjs']) {
      mkdirSync(join(folder, file, '..'), { recursive: true });
      writeFileSync(join(folder, file), '');
    }
    expect(prepack).toThrow('Expected a binary in prebuilds/linux-x64');
    mkdirSync(join(folder, 'prebuilds/linux-x64'), { recursive: true });
    writeFileSync(join(folder, 'prebuilds/linux-x64/onespike.glibc.node'), '');
    expect(prepack).toThrow('Expected a binary made from these sources, with code for every GPU');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
