// The table of scripts/evidence.mjs: gains and costs against the baseline of the same seeds, and who gets more seeds.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseStudy } from '../../lib/cluster/study';
import { checkTrials, trialConfig, trialsOf } from '../../lib/cluster/trials';
import { inModule } from '../helpers/module';

const trial = (arm: string, seed: number, validationAccuracy: number | null, seconds = 100): object => ({
  parameters: { arm },
  seed,
  status: validationAccuracy === null ? 'diverged' : 'done',
  validationAccuracy,
  testAccuracy: validationAccuracy === null ? null : validationAccuracy - 0.01,
  spikesPerNeuron: validationAccuracy === null ? null : 0.2,
  energyRatio: arm === 'a' ? 30 : null,
  seconds,
  run: '',
});
const results = [
  trial('baseline', 1, 0.6),
  trial('baseline', 2, 0.62, 200),
  trial('baseline', 3, 0.64),
  trial('a', 1, 0.63, 150),
  trial('b', 1, 0.59, 50),
  trial('c', 1, 0.65),
  trial('c', 2, 0.65, 200),
  trial('broken', 1, null),
  trial('all together', 1, 0.9),
  trial('those that gain', 1, 0.8),
];
const call = <T>(name: string, body: string, input: unknown): T =>
  inModule('scripts/evidence/table.mjs', [name, ...(name === 'rowsOf' ? [] : ['rowsOf'])], body, input);

test('a gain is the difference to the baseline of the same seed, a cost the ratio of their times', () => {
  const rows = call<Record<string, any>[]>('rowsOf', 'return rowsOf(input);', results);
  const of = (arm: string): Record<string, any> => rows.find((row) => row.arm === arm)!;
  expect(rows.map(({ arm }) => arm)).toEqual(['baseline', 'a', 'b', 'c', 'broken', 'all together', 'those that gain']);
  expect(of('baseline').deviation).toBeCloseTo(0.02, 12);
  expect([of('a').gain, of('a').cost, of('a').test, of('a').energyRatio]).toEqual([
    expect.closeTo(0.03, 12),
    1.5,
    expect.closeTo(0.62, 12),
    30,
  ]);
  // Of two seeds: 0.05 and 0.03, at equal times.
  expect([of('c').seeds, of('c').gain, of('c').cost]).toEqual([2, expect.closeTo(0.04, 12), 1]);
  expect([of('broken').seeds, of('broken').failed]).toEqual([0, 1]);
  expect(() => call('rowsOf', 'return rowsOf(input);', [trial('a', 4, 0.5)])).toThrow(/no result of seed 4/);
}, 60_000);

test('the best are chosen among single techniques that ended', () => {
  expect(call('bestArms', 'return bestArms(rowsOf(input), 2);', results)).toEqual(['c', 'a']);
}, 60_000);

test('the table has the baseline on top, then the largest gain, and says what the noise is', () => {
  const text = call<string>('gainTable', 'return gainTable(rowsOf(input));', results);
  const lines = text.split('\n');
  expect(lines.slice(2, 9).map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')))).toEqual([
    ['baseline', '3', '62.00 % ± 2.00', '–', '61.00 %', '0.200', '–', '133', '–'],
    ['all together', '1', '90.00 %', '+30.00', '89.00 %', '0.200', '–', '100', '+0 %'],
    ['those that gain', '1', '80.00 %', '+20.00', '79.00 %', '0.200', '–', '100', '+0 %'],
    ['c', '2', '65.00 % ± 0.00', '+4.00', '64.00 %', '0.200', '–', '150', '+0 %'],
    ['a', '1', '63.00 %', '+3.00', '62.00 %', '0.200', '30.0', '150', '+50 %'],
    ['b', '1', '59.00 %', '−1.00', '58.00 %', '0.200', '–', '50', '−50 %'],
    ['broken', '0 of 1', '–', '–', '–', '–', '–', '–', '–'],
  ]);
  expect(text).toMatch(/deviation of 2\.00 points: a gain of one seed that is smaller than 5\.66/);
}, 60_000);

test('histograms of spike times say where nearly all spikes come at once', () => {
  const early = [
    { layer: 0, neurons: 10, images: 2, counts: [10, 9, 1, 0] },
    { layer: 2, neurons: 5, images: 2, counts: [10, 0, 0, 0] },
  ];
  const body =
    "return [timesTable('x', input), timesTable('y', [{ ...input[0], counts: [10, 5, 5, 0] }]), timesTable('z', [])];";
  const [text, other, none] = call<string[]>('timesTable', body, early);
  expect(text).toContain(
    '| layers.0 | 50.0 % | 45.0 % | 5.0 % | 0.0 % |\n| layers.2 | 100.0 % | 0.0 % | 0.0 % | 0.0 % |',
  );
  expect(text).toContain('90.0 % of all spikes are at t = 1: more time steps buy little here.');
  expect(other).toContain('50.0 % of all spikes are at t = 1.\n');
  expect(none).toContain('No spike times were recorded.');
}, 60_000);

test('every arm of examples/evidence.json can be trained, within five ANN and three spiking epochs', () => {
  const file = join(__dirname, '../../examples/evidence.json');
  const study = parseStudy(JSON.parse(readFileSync(file, 'utf8')), file);
  const trials = trialsOf(study);
  checkTrials(study, trials);
  for (const each of trials) {
    const { ann, binary, snn, dataset, model } = trialConfig(study, each);
    expect([ann.epochs + binary.epochs, snn.epochs, dataset.trainCount, model.width]).toEqual([5, 3, 20000, 0.5]);
  }
  const plain = trialConfig(study, trials[0]!);
  // The baseline has none of the techniques.
  expect([plain.ann.labelSmoothing, plain.ann.optimizer.nesterov, plain.ann.optimizer.ema]).toEqual([0, false, 0]);
  expect(plain.model.norm).toBe('none');
  for (const phase of ['ann', 'snn'] as const)
    expect(plain[phase].augment).toEqual({
      padding: 0,
      border: 'zeros',
      flip: false,
      trivial: false,
      cutout: 0,
      mixup: 0,
      cutmix: 0,
    });
});
