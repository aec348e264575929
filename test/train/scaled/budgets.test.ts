// Recipes by budget: they fit their times, and say whether anybody ran them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { layerShapes, resolveNetwork } from '../../../lib/model/description';
import { vgg } from '../../../lib/model/vgg';
import { resolveConfig } from '../../../lib/train/config/config';
import { presetConfig, presetNames, wasRun } from '../../../lib/train/config/presets';
import { BUDGETS, hasBudgets } from '../../../lib/train/config/recipes';
import { SHARES, timesOf, trainingSeconds } from '../../../lib/train/minutes/times';
import { cli } from '../../helpers/command-line';

const sized = presetNames.flatMap((name) =>
  (['cifar10', 'cifar100'] as const).filter((set) => hasBudgets(name, set)).map((set) => [name, set] as const),
);

test('there are those of four networks on two data sets', () => {
  expect(sized.map(([name]) => name)).toEqual(['vgg7', 'vgg9', 'vgg11', 'vgg16'].flatMap((name) => [name, name]));
});

test.each(sized)('%s on %s for the CPU fits its time on two cores', (name, set) => {
  const { model, ann, binary, snn } = resolveConfig(presetConfig(name, set, 'cpu'));
  const products = (width: number, network: string): number =>
    layerShapes(resolveNetwork(vgg(network, { width, hidden: [], norm: 'batch' }))).reduce(
      (sum, { macs }) => sum + macs,
      0,
    );
  // The rates of vgg7 on two cores, in images per second; those of other networks by their products.
  const scale = products(1, 'vgg7') / products(model.width!, name);
  const rates = {
    train: { ann: 190 * scale, binary: 150 * scale, snn: 250 * scale },
    evaluate: { ann: 570 * scale, snn: 900 * scale },
    energy: 300,
  };
  const counts = { train: 45_000, validation: 5000, test: 10_000, energy: 10_000 };
  const { epoch, rest } = timesOf(rates, counts, SHARES.spikes);
  const seconds = rest + trainingSeconds(epoch, { ann: ann.epochs, binary: binary.epochs, snn: snn.epochs });
  const limit = 60 * (set === 'cifar10' ? 100 : 150);
  expect(seconds).toBeLessThan(limit);
  expect(seconds).toBeGreaterThan(0.85 * limit);
});

test.each(sized)('%s on %s for a GPU is the long recipe', (name, set) => {
  const config = resolveConfig(presetConfig(name, set, 'gpu'));
  expect(config).toMatchObject({
    preset: name,
    budget: 'gpu',
    model: { name, width: 1, timesteps: 1, norm: 'batch' },
    ann: {
      epochs: 300,
      labelSmoothing: 0.1,
      optimizer: { nesterov: true, ema: 0.999 },
      augment: { padding: 4, flip: true, border: 'reflect', trivial: true, mixup: 0.2, cutmix: 1 },
    },
  });
  expect(config.binary.augment).toEqual(config.ann.augment);
});

test('a budget is a key of a configuration, and what is given lies on top', () => {
  const config = resolveConfig({ preset: 'vgg7', budget: 'cpu', dataset: { name: 'cifar100' }, ann: { epochs: 5 } });
  expect(config).toMatchObject({ budget: 'cpu', ann: { epochs: 5, batch: 256 }, binary: { epochs: 10 } });
  expect(resolveConfig(config)).toEqual(config);
  expect(resolveConfig({ budget: 'cpu', dataset: { name: 'cifar10' } }).model.name).toBe('vgg7');
});

test.each([
  [{ budget: 'tpu', dataset: { name: 'cifar10' } }, /Expected one of 'cpu', 'gpu' for budget but received 'tpu'/],
  [{ budget: 3, dataset: { name: 'cifar10' } }, /Expected one of 'cpu', 'gpu' for budget but received 3/],
  [{ budget: 'cpu' }, /Expected no budget for vgg7 on shapes but received 'cpu': .* minutes fits a run/],
  [{ preset: 'vgg6', budget: 'gpu', dataset: { name: 'cifar10' } }, /no budget for vgg6 on cifar10/],
])('%j is refused by name', (given, message) => {
  expect(() => resolveConfig(given as never)).toThrow(
    expect.objectContaining({ code: 'ERR_ARG', message: expect.stringMatching(message) }),
  );
});

test('the command line prints budgets, and marks what nobody ran', async () => {
  const list = await cli(['presets', '--dataset', 'cifar10', '--json']);
  const named = list.events().map(({ name, budget, ran }) => [name, budget, ran]);
  expect(named).toContainEqual(['vgg6', null, true]);
  expect(named).toContainEqual(['vgg16', 'gpu', false]);
  expect(named).toHaveLength(presetNames.length + 4 * BUDGETS.length);
  const table = (await cli(['presets'])).stdout;
  expect(table).toMatch(/vgg6 +cifar10 +x 1 .*10 +0 +10\n/);
  expect(table).toMatch(/vgg16 +cifar10 +gpu +x 1 .*300 +60 +60 +not run\n/);
  const one = await cli(['presets', 'vgg9', '--dataset', 'cifar10', '--budget', 'cpu']);
  expect(JSON.parse(one.stdout)).toEqual(presetConfig('vgg9', 'cifar10', 'cpu'));
  expect(one.stderr).toBe('not run: this recipe was not trained to the end\n');
  const only = (await cli(['presets', '--budget', 'gpu', '--json'])).events();
  expect(only).toHaveLength(sized.length);
});

test.each([
  [['presets', '--budget', 'big'], /one of 'cpu', 'gpu' for --budget but received 'big'/],
  [['presets', 'vgg6', '--budget', 'cpu'], /no budget for vgg6 on shapes/],
  [['train', '--budget', 'big', '--dataset', 'cifar10'], /'cpu', 'gpu' for budget but received 'big'/],
  [['train', '--minutes', '0'], /above 0, at most 10080, for --minutes but received '0'/],
  [['train', '--minutes', 'ten'], /above 0, at most 10080, for --minutes but received 'ten'/],
  [['train', '--minutes', '5', '--budget', 'cpu', '--dataset', 'cifar10'], /no budget beside minutes/],
  [['train', '--minutes', '5', '--set', 'snn.epochs=3'], /no snn\.epochs beside minutes/],
])('%j is wrong usage', async (args, message) => {
  const { status, stderr } = await cli(args);
  expect(status).toBe(2);
  expect(stderr).toMatch(message);
});

test('what counts as run is in docs/RESULTS.md', () => {
  const results = readFileSync(join(__dirname, '../../../docs/RESULTS.md'), 'utf8');
  const commands: Record<string, string> = {
    'vgg6/shapes': 'npm start',
    'vgg9/shapes': 'npx onespike train vgg9',
    'vgg6/cifar10': 'npx onespike train vgg6 --dataset cifar10 --data DIR ',
    'vgg7/cifar10/cpu': 'npx onespike train vgg7 --dataset cifar10 --budget cpu --data DIR',
  };
  const ran = presetNames.flatMap((name) =>
    ['shapes', 'cifar10', 'cifar100', 'mnist', 'folder'].flatMap((set) =>
      [undefined, ...BUDGETS].filter((size) => wasRun(name, set, size)).map((size) => [name, set, size]),
    ),
  );
  const keys = ran.map((parts) => parts.filter((part) => part !== undefined).join('/'));
  expect(keys.sort()).toEqual(Object.keys(commands).sort());
  for (const command of Object.values(commands)) expect(results).toContain(command);
});
