// The program in C, compiled by gcc with every warning as an error and with its sanitizers: the predictions, logits and
// spike times of onespike.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportC, type WeightType } from '../../lib/exchange';
import { quantise, type Weights } from '../../lib/exchange/c/weights';
import { loadDataset } from '../../lib/data';
import { Network } from '../../lib/model/network';
import type { NetworkDescription } from '../../lib/model/description';
import { temporaryFolder } from '../helpers/command-line';
import { network, small, variants } from './networks';

const folder = temporaryFolder();
const images = 200;
const compiler = spawnSync('gcc', ['--version']).status === 0;
if (!compiler) console.warn('skipped: there is no gcc, so nothing compiles the programs');
const warnings = ['-std=c99', '-pedantic', '-Wall', '-Wextra', '-Wconversion', '-Wshadow', '-Werror'];
const sanitizers = ['-fsanitize=undefined,address', '-fno-sanitize-recover=all'];

/** The weights as floats: what a network computes with that is compared with the integers. */
function dequantise({ values, scales }: Weights): Float32Array {
  if (scales === undefined) return values as Float32Array;
  const row = values.length / scales.length;
  return Float32Array.from(values, (value, i) => value * scales[Math.floor(i / row)]!);
}

/** A program that reads images and writes, for each, its spike times, logits and class. */
const main = `
#include <stdio.h>
#define ONESPIKE_TRACE(layer, times, count) fwrite(times, 1, (size_t)(count), stdout)
#include "NAME"
typedef char footprint_is_right[sizeof(onespike_work) + 4 * ONESPIKE_CLASSES == RAM ? 1 : -1];
int main(void) {
  static uint8_t pixels[ONESPIKE_PIXELS];
  static onespike_work work;
  float logits[ONESPIKE_CLASSES];
  while (fread(pixels, 1, sizeof pixels, stdin) == sizeof pixels) {
    const int32_t answer = onespike_predict(pixels, &work, logits);
    fwrite(logits, sizeof logits, 1, stdout);
    fwrite(&answer, sizeof answer, 1, stdout);
  }
  return 0;
}
`;

interface Result {
  times: Uint8Array;
  logits: Float32Array;
  label: number;
}

async function compiled(made: Network, pixels: Uint8Array, weights: WeightType, name: string): Promise<Result[]> {
  const source = join(folder, `${name}.c`);
  const { ram } = await exportC(made, source, { weights, classes: ['a "b"', 'c\\??/', '*/ d'] });
  writeFileSync(join(folder, `${name}-main.c`), main.replace('NAME', source).replace('RAM', String(ram)));
  const program = join(folder, name);
  execFileSync('gcc', [...warnings, ...sanitizers, '-O1', '-o', program, join(folder, `${name}-main.c`)]);
  const output = execFileSync(program, { input: pixels, maxBuffer: 2 ** 28 });
  const hidden = made.layers.slice(0, -1).reduce((sum, { neurons }) => sum + neurons, 0);
  const classes = made.layers.at(-1)!.neurons;
  const size = hidden + 4 * classes + 4;
  expect(output.length % size).toBe(0);
  return Array.from({ length: output.length / size }, (_, n) => {
    const own = output.subarray(n * size, (n + 1) * size);
    return {
      times: own.subarray(0, hidden),
      logits: Float32Array.from({ length: classes }, (__, k) => own.readFloatLE(hidden + 4 * k)),
      label: own.readInt32LE(size - 4),
    };
  });
}

/** Compares image by image. A neuron within rounding of a tie may go either way; everything else is the same. */
async function compare(made: Network, pixels: Uint8Array, results: Result[], share: number): Promise<void> {
  const { logits, predictions, spikeTimes } = await made.forward(pixels, { trace: true });
  const layers = made.layers.slice(0, -1).map(({ layer, neurons }) => ({ times: spikeTimes!.get(layer)!, neurons }));
  const classes = made.layers.at(-1)!.neurons;
  const scale = Math.max(1, ...logits.map(Math.abs));
  let same = 0;
  let agree = 0;
  expect(results).toHaveLength(predictions.length);
  for (const [n, result] of results.entries()) {
    const expected = Buffer.concat(layers.map(({ times, neurons }) => times.subarray(n * neurons, (n + 1) * neurons)));
    if (result.label === predictions[n]) agree++;
    if (!expected.equals(result.times)) continue;
    same++;
    const own = logits.subarray(n * classes, (n + 1) * classes);
    const wrong = result.logits.map((value, k) => Math.abs(value - own[k]!));
    expect(Math.max(...wrong)).toBeLessThan(1e-5 * scale);
    const [first, second] = [...own].sort((a, b) => b - a);
    if (first! - second! > 1e-4 * scale) expect(result.label).toBe(predictions[n]);
  }
  expect(same).toBeGreaterThanOrEqual(share * results.length);
  expect(agree).toBeGreaterThanOrEqual(0.995 * results.length);
  // The comparison is about something.
  const spikes = layers.reduce((sum, { times }) => sum + times.filter((time) => time > 0).length, 0);
  expect(spikes / results.length).toBeGreaterThan(20);
  expect(new Set(predictions).size).toBeGreaterThan(1);
}

async function pixelsOf(count: number): Promise<Uint8Array> {
  const { test: part } = await loadDataset('shapes', { trainCount: 10, testCount: count });
  return part.pixels.slice(0, count * 3072);
}

(compiler ? describe : describe.skip)('a compiled program', () => {
  // What `burst` sends is a table as well, as that of `phase`.
  test.each(Object.keys(variants).filter((name) => name !== 'burst'))('computes the same: %s', async (name) => {
    const count = name === 'hybrid' ? images : 24;
    const pixels = await pixelsOf(count);
    const made = await network({ ...small, ...variants[name]! }, pixels);
    try {
      await compare(made, pixels, await compiled(made, pixels, 'f32', name.replaceAll(' ', '-')), 0.97);
    } finally {
      await made.dispose();
    }
  });

  test.each<WeightType>(['i16', 'i8'])('with weights %s computes what the rounded weights give', async (type) => {
    const pixels = await pixelsOf(48);
    const made = await network(small, pixels);
    try {
      const results = await compiled(made, pixels, type, type);
      const rounded = new Map<string, Float32Array>();
      for (const [name, { data, shape }] of await made.parameters())
        if (name.endsWith('.weight')) rounded.set(name, dequantise(quantise(data, shape[0]!, type, 1, name)));
      await made.setParameters(rounded);
      await compare(made, pixels, results, 0.95);
    } finally {
      await made.dispose();
    }
  });

  test.each<[string, NetworkDescription]>([
    ['output', { input: [1, 5, 4], timesteps: 3, layers: [{ type: 'linear', out: 3, bias: true, output: true }] }],
    [
      'pooled',
      {
        input: [2, 9, 7],
        timesteps: 3,
        layers: [
          { type: 'avgpool' },
          { type: 'conv', out: 3, padding: 0, kernel: 2 },
          { type: 'avgpool', kernel: 1 },
          { type: 'linear', out: 30 },
          { type: 'linear', out: 3, output: true },
        ],
      },
    ],
  ])('small shapes: %s', async (name, description) => {
    const made = await Network.create(description, { backend: 'cpu', seed: 2, threads: 1 });
    const [c, h, w] = description.input;
    const pixels = Uint8Array.from({ length: 20 * c! * h! * w! }, (_, i) => (i * i * 31 + 7 * i) % 256);
    const results = await compiled(made, pixels, 'f32', name);
    const { logits } = await made.forward(pixels);
    const found = results.flatMap((result) => [...result.logits]);
    for (const [i, value] of found.entries()) expect(value).toBeCloseTo(logits[i]!, 4);
    await made.dispose();
  });
});

test('the header states what the program needs, and other files can declare it', async () => {
  const made = await Network.create(small, { backend: 'cpu', seed: 1, threads: 1 });
  const path = join(folder, 'stated.c');
  const { ram, flash } = await exportC(made, path, { weights: 'i8' });
  await made.dispose();
  const text = readFileSync(path, 'utf8');
  expect(text).toContain(`RAM:   ${ram} bytes`);
  expect(text).toContain(`Flash: ${flash} bytes of constants (weights i8)`);
  expect(text.match(/#include/g)).toEqual(['#include']);
  expect(text).not.toMatch(/malloc|math\.h/);
  const weights = 6 * 27 + 8 * 6 * 25 + 12 * 32 + 10 * 12;
  expect(flash).toBeGreaterThan(weights);
  expect(flash).toBeLessThan(weights + 4 * (3 * 256 + 300) + 256);
  if (!compiler) return;
  const user = join(folder, 'user.c');
  writeFileSync(
    user,
    `#define ONESPIKE_DECLARATIONS_ONLY\n#include "${path}"\nint main(void) { static onespike_work w; static uint8_t p[ONESPIKE_PIXELS]; float l[ONESPIKE_CLASSES]; return onespike_predict(p, &w, l) < 0; }\n`,
  );
  execFileSync('gcc', [...warnings, '-o', join(folder, 'user'), user, path]);
  execFileSync(join(folder, 'user'));
});

test('what C cannot be is refused by name', async () => {
  const path = join(folder, 'refused.c');
  const rate = await Network.create({ ...small, encoder: 'rate' }, { backend: 'cpu', threads: 1 });
  await expect(exportC(rate, path)).rejects.toMatchObject({
    code: 'ERR_ARG',
    message: expect.stringContaining("'rate'"),
  });
  await expect(exportC(rate, path, { weights: 'i4' as WeightType })).rejects.toMatchObject({ code: 'ERR_ARG' });
  await rate.dispose();
  expect(() => quantise(new Float32Array(70_000).fill(1), 1, 'i16', 1, 'w')).toThrow(/sums stay below 2\^31/);
});
