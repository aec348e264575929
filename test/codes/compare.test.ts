// A comparison of codes: its numbers are those of evaluation, energy account and simulation, each by itself.
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compare, type CodeEvent, type CompareEvent } from '../../lib/codes/compare';
import type { CompareOptions } from '../../lib/codes/compare-options';
import { simulateCode } from '../../lib/codes/simulate';
import { comparedCodes } from '../../lib/codes/state';
import { SIMULATED_CODES } from '../../lib/model/network/simulation-options';
import { measureEnergy } from '../../lib/train/loop/energy';
import { loadRun } from '../../lib/train/run/load-run';
import { temporaryFolder } from '../helpers/command-line';
import { fewSteps, tinyCompared, trainTiny } from './helpers';

const folder = temporaryFolder();
const at = (...names: string[]): string => join(folder, ...names);
const run = at('run');
const options: CompareOptions = { images: 30, timesteps: fewSteps, threads: 1, backend: 'cpu' };
let events: CompareEvent[];
let codes: CodeEvent[];

async function all(stream: AsyncIterable<CompareEvent>): Promise<CompareEvent[]> {
  const list: CompareEvent[] = [];
  for await (const event of stream) list.push(event);
  return list;
}
const codesOf = (list: readonly CompareEvent[]): CodeEvent[] =>
  list.filter((event): event is CodeEvent => event.event === 'code');
/** What does not depend on the speed of the machine. */
const counted = ({ imagesPerSecond: _rate, seconds: _seconds, ...rest }: CodeEvent): object => rest;
const read = (out: string): CodeEvent[] => JSON.parse(readFileSync(join(out, 'compare.json'), 'utf8')) as CodeEvent[];

beforeAll(async () => {
  await trainTiny(run);
  events = await all(compare(run, { ...options, out: at('whole') }));
  codes = codesOf(events);
}, 120_000);

test('an event for every code, as compare.json holds them, and a table', () => {
  expect(codes.map(({ code }) => code)).toEqual(['hybrid', 'ann', ...SIMULATED_CODES]);
  expect(events.at(-1)).toEqual({ event: 'compared', out: at('whole'), run, images: 30, codes: 9 });
  expect(read(at('whole'))).toEqual(codes);
  for (const event of codes)
    expect(Object.keys(event)).toEqual([
      'event',
      'code',
      'timesteps',
      'accuracy',
      'stepsWithinOnePoint',
      'spikesPerImage',
      'operations',
      'energy',
      'imagesPerSecond',
      'seconds',
    ]);
  const table = readFileSync(at('whole', 'compare.md'), 'utf8');
  for (const { code } of codes) expect(table).toContain(`\n| ${code} | `);
  expect(table).toMatch(/\| compute\/int32 \|.*\| compute\+memory\/int8 \|/);
});

test('the trained network and its ANN have the numbers of evaluation and energy account', async () => {
  const opened = await loadRun(run);
  const { test: set } = await opened.dataset();
  const size = set.pixels.length / set.count;
  const images = { pixels: set.pixels.subarray(0, 30 * size), labels: set.labels.subarray(0, 30) };
  const [hybrid, ann] = codes;
  const network = await opened.network({ backend: 'cpu' });
  const { correct } = await network.evaluate(images);
  const report = await measureEnergy(network, set, { images: 30, batch: 10 });
  const { potentials } = await network.forward(images.pixels, { potentials: true });
  const { predictions } = await network.anytime(potentials!);
  await network.dispose();
  expect(hybrid).toMatchObject({
    timesteps: 3,
    accuracy: correct / 30,
    operations: { ac: report.total.accumulates, mac: report.total.macs },
  });
  expect(hybrid!.spikesPerImage).toBeCloseTo(report.layers[0]!.events + report.total.spikes, 9);
  for (const { account, constants, snnPicojoules, ratio } of report.accounts)
    expect(hybrid!.energy[`${account}/${constants.name}`]).toEqual({ picojoules: snnPicojoules, ratio });
  const right = [0, 1, 2].map((t) => images.labels.filter((label, n) => predictions[3 * n + t] === label).length / 30);
  const [stored] = await comparedCodes(at('whole'));
  expect(stored!.steps.map(({ accuracy }) => accuracy)).toEqual(right);
  expect(right[2]).toBe(hybrid!.accuracy);

  const dense = await opened.ann({ backend: 'cpu' });
  const { correct: annCorrect } = await dense.evaluate(images, { mode: 'ann' });
  await dense.dispose();
  expect(ann).toMatchObject({ timesteps: 1, stepsWithinOnePoint: 1, accuracy: annCorrect / 30, spikesPerImage: 0 });
  expect(ann!.operations).toEqual({ ac: 0, mac: report.total.annMacs });
  expect(ann!.energy['compute/int32']).toEqual({ picojoules: report.headline.annPicojoules, ratio: 1 });
}, 60_000);

test('every simulated code has the numbers of its simulation alone', async () => {
  const opened = await loadRun(run);
  const images = await opened.dataset();
  const ann = await opened.ann({ backend: 'cpu', threads: 1 });
  for (const code of SIMULATED_CODES) {
    const {
      steps: _,
      images: count,
      annAccuracy,
      ...alone
    } = await simulateCode(ann, images, {
      code,
      timesteps: fewSteps[code],
      images: 30,
    });
    const event = codes.find((each) => each.code === code)!;
    expect(counted(event)).toEqual(counted({ event: 'code', ...alone }));
    expect([count, annAccuracy]).toEqual([30, codes[1]!.accuracy]);
  }
  await ann.dispose();
}, 60_000);

test('interrupted at any moment it keeps what is done, and the next call ends with the same', async () => {
  const out = at('interrupted');
  const controller = new AbortController();
  const first: CompareEvent[] = [];
  const stopping = (async () => {
    const stream = compare(run, {
      ...options,
      out,
      signal: controller.signal,
      // In the middle of the simulation of phase, or at its end where it has one piece alone.
      onProgress: ({ code }) => (code === 'phase' ? controller.abort() : undefined),
    });
    for await (const event of stream) first.push(event);
  })();
  await expect(stopping).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  const done = codesOf(first);
  const order = ['hybrid', 'ann', 'rate', 'direct', 'phase'];
  expect(done.length).toBeGreaterThanOrEqual(4);
  expect(done.map(({ code }) => code)).toEqual(order.slice(0, done.length));
  expect(read(out)).toEqual(done);
  const again = codesOf(await all(compare(run, { ...options, out })));
  // Measured once: even the seconds are those of the first call.
  expect(again.slice(0, done.length)).toEqual(done);
  expect(again.map(counted)).toEqual(codes.map(counted));
  // Other images are another measurement.
  const fewer = codesOf(await all(compare(run, { ...options, images: 5, out })));
  expect(fewer.map(({ accuracy }) => (5 * accuracy) % 1)).toEqual(fewer.map(() => 0));
}, 120_000);

test('a configuration is trained first, with the codes that it asks for, and a second call trains nothing', async () => {
  const config = { ...tinyCompared, compare: { trained: { radix: {}, 'one-spike-phase': {} } } } as never;
  const out = at('configured');
  const list = await all(compare(config, { ...options, out }));
  expect(codesOf(list).map(({ code }) => code)).toEqual([
    'hybrid',
    'ann',
    ...SIMULATED_CODES,
    'radix',
    'one-spike-phase-trained',
  ]);
  expect(list.filter(({ event }) => event === 'done')).toHaveLength(3);
  // A configuration like that of the run gives its network.
  expect(codesOf(list).slice(0, 9).map(counted)).toEqual(codes.map(counted));
  const [radix, phase] = codesOf(list).slice(9);
  expect([radix!.timesteps, radix!.bits, phase!.timesteps, phase!.bits]).toEqual([12, 4, 72, undefined]);
  expect(readFileSync(join(out, 'compare.md'), 'utf8')).toMatch(/\| radix +\|[^|]*\| 12 \(4 bits\) /);
  const trained = await loadRun(join(out, 'radix'));
  expect(radix!.accuracy).toBeGreaterThanOrEqual(0);
  expect(trained.config.model.code).toEqual({ kind: 'radix', bits: 4 });
  const again = await all(compare(config, { ...options, out }));
  expect(again.map(({ event }) => event)).toEqual([...Array<string>(11).fill('code'), 'compared']);
  expect(codesOf(again)).toEqual(codesOf(list));
  await expect(all(compare(tinyCompared as never, { ...options, out }))).rejects.toMatchObject({
    code: 'ERR_STATE',
    message: expect.stringMatching(/Expected the comparison of .*comparison\.json but received another one/),
  });
  await expect(all(compare(join(out, 'radix'), options))).rejects.toMatchObject({
    code: 'ERR_STATE',
    message: expect.stringMatching(/a run without a code .* for the run but received 'the code radix'/),
  });
}, 120_000);

test('with the ANN of another run and runs with a code: each has the numbers that it has by itself', async () => {
  const [first, tuned, radix] = [at('first'), at('tuned'), at('radix')];
  await trainTiny(first, { ann: { ...tinyCompared.ann, epochs: 2 } });
  await trainTiny(tuned, { init: first, ann: { epochs: 0 }, convert: { enabled: false } });
  const { timesteps: _, ...model } = tinyCompared.model;
  await trainTiny(radix, { model: { ...model, code: { kind: 'radix', bits: 4 } } });
  await expect(all(compare(tuned, options))).rejects.toMatchObject({ code: 'ERR_STATE' });
  const rows = codesOf(await all(compare(tuned, { ...options, ann: first, coded: [radix], out: at('with') })));
  expect(rows.map(({ code }) => code)).toEqual(['hybrid', 'ann', ...SIMULATED_CODES, 'radix']);
  const alone = codesOf(await all(compare(first, { ...options, out: at('alone') })));
  expect(rows.slice(1, 9).map(counted)).toEqual(alone.slice(1).map(counted));
  expect(counted(rows[0]!)).not.toEqual(counted(alone[0]!));
  const opened = await loadRun(radix);
  const { test: set } = await opened.dataset();
  const size = set.pixels.length / set.count;
  const network = await opened.network({ backend: 'cpu' });
  const { correct } = await network.evaluate({
    pixels: set.pixels.subarray(0, 30 * size),
    labels: set.labels.subarray(0, 30),
  });
  await network.dispose();
  expect(rows[9]).toMatchObject({ timesteps: 12, accuracy: correct / 30 });

  const refused = at('refused-runs');
  for (const [given, message] of [
    [{ coded: [first] }, /a network with a code for coded, .*first, but received 'one without'/],
    [{ coded: [radix, radix] }, /one run of each code for coded but received 'a second one of radix'/],
    [{ ann: at('nothing') }, /nothing/],
  ] as const) {
    const stream = compare(run, { ...options, ...given, out: refused });
    await expect(all(stream)).rejects.toMatchObject({ message: expect.stringMatching(message) });
  }
  await trainTiny(at('small'), {
    model: { ...tinyCompared.model, input: [3, 16, 16] },
    dataset: { ...tinyCompared.dataset, size: 16 },
  });
  await expect(all(compare(run, { ...options, ann: at('small'), out: refused }))).rejects.toMatchObject({
    code: 'ERR_STATE',
    message: expect.stringMatching(
      /a run on images of 3 x 32 x 32.* for ann but received 'one on images of 3 x 16 x 16'/,
    ),
  });
  expect(existsSync(refused)).toBe(false);
}, 120_000);

test.each<[string, object, object, RegExp]>([
  ['coded that is no list', {}, { coded: 'runs/radix' }, /an array of folders of runs for coded but received/],
  ['a coded run that is no string', {}, { coded: [3] }, /for coded\[0\] but received 3/],
  ['an ANN that is no string', {}, { ann: 3 }, /for ann but received 3/],
  ['an unknown option', {}, { image: 3 }, /unknown key 'image'/],
  ['no images', {}, { images: 0 }, /for images but received 0/],
  ['an unknown code', {}, { timesteps: { morse: 3 } }, /unknown key 'morse'/],
  ['a window of one step', {}, { timesteps: { tsc: 1 } }, /from 2 to 65535 for timesteps\.tsc but received 1/],
  [
    'a window that is too long for its clock',
    {},
    { timesteps: { 'one-spike-phase': 1000 } },
    /at most 80 time constants but received 1000 timesteps/,
  ],
  ['a start that needs genes', { start: { evenGenes: true } }, {}, /the network has no genes/],
  ['a backend that does not exist', {}, { backend: 'tpu' }, /for backend but received 'tpu'/],
  [
    'an unknown trained code',
    { compare: { trained: { rate: {} } } },
    {},
    /for compare\.trained but received the unknown key 'rate'/,
  ],
  [
    'a trained code that is no object',
    { compare: { trained: { ttfs: 5 } } },
    {},
    /for compare\.trained\.ttfs but received 5/,
  ],
  ['a network with a code', { preset: 'vgg7-radix' }, {}, /without a code .* for model\.code but received 'radix'/],
  ['no ANN', { ann: { epochs: 0 } }, {}, /at least 1 .* for ann\.epochs but received 0/],
  ['minutes beside quick', { minutes: 1 }, { quick: true }, /no minutes beside quick/],
])('%s is refused', async (_, config, given, message) => {
  const stream = compare(config as never, { out: at('refused'), ...given });
  await expect(all(stream)).rejects.toMatchObject({ code: 'ERR_ARG', message: expect.stringMatching(message) });
  expect(existsSync(at('refused'))).toBe(false);
});

test('a comparison whose first training is refused leaves the folder to another one', async () => {
  const out = at('left-free');
  const lost = { ...tinyCompared, dataset: { name: 'cifar10', directory: at('nowhere') } } as never;
  await expect(all(compare(lost, { ...options, out }))).rejects.toMatchObject({ code: 'ERR_IO' });
  expect(existsSync(out)).toBe(false);
  // A folder that was there stays, and so does what others have put into it.
  mkdirSync(out);
  await expect(all(compare(lost, { ...options, out }))).rejects.toMatchObject({ code: 'ERR_IO' });
  expect(readdirSync(out)).toEqual([]);
  const ended = codesOf(await all(compare(tinyCompared as never, { ...options, images: 5, out })));
  expect(ended).toHaveLength(codes.length);
}, 60_000);

test('a run without an ANN is refused', async () => {
  await trainTiny(at('scratch'), { ann: { epochs: 0 } });
  await expect(all(compare(at('scratch'), options))).rejects.toMatchObject({ code: 'ERR_STATE' });
  expect(existsSync(at('scratch', 'compare.json'))).toBe(false);
}, 60_000);
