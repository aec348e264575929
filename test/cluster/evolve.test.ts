// Evolution of genes: what an individual is worth, what its children begin with, and whole evolutions, killed ones too.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { evolve } from '../../lib';
import { relativeChange, relativeEntropy, fitnessOf, weightsOf } from '../../lib/cluster/evolve/fitness';
import { drawGenome, mutated } from '../../lib/cluster/evolve/genome';
import type { EvolveEvents, EvolvedEvent, GenerationEvent } from '../../lib/cluster/evolve/records';
import { denseConfig, individualConfig, parseEvolution } from '../../lib/cluster/evolve/settings';
import { resolveNetwork } from '../../lib/model/description';
import { resolveConfig, type TrainConfigInput } from '../../lib/train/config/config';
import { cli, temporaryFolder, tinyConfig } from '../helpers/command-line';

const folder = temporaryFolder();
const config = {
  ...tinyConfig,
  dataset: { name: 'shapes', trainCount: 60, testCount: 20 },
  ann: { epochs: 1, batch: 16 },
  convert: { images: 20 },
  snn: { epochs: 1, batch: 16 },
  energy: { images: 4 },
  model: {
    name: 'tiny',
    layers: [
      { type: 'conv', out: 4, stride: 2 },
      { type: 'conv', out: 4, stride: 2 },
      { type: 'linear', out: 10, output: true },
    ],
    genes: { count: 2 },
  },
} as unknown as TrainConfigInput;
const settings = { generations: 2, population: 2, parents: 2, epochs: 1 };

async function all(events: AsyncIterable<EvolveEvents>): Promise<EvolveEvents[]> {
  const list: EvolveEvents[] = [];
  for await (const event of events) list.push(event);
  return list;
}

describe('fitness', () => {
  test('entropy is 1 of equal sizes and 0 of a single one', () => {
    expect(relativeEntropy(Float32Array.of(1, -1, 1, -1))).toBeCloseTo(1, 12);
    expect(relativeEntropy(Float32Array.of(0, -3, 0, 0))).toBe(0);
    // Shares 1/4 and 3/4 of two numbers, in bits.
    expect(relativeEntropy(Float32Array.of(1, -3))).toBeCloseTo(0.25 * 2 + 0.75 * Math.log2(4 / 3), 12);
  });

  test('change is relative to the length at first', () => {
    expect(relativeChange(Float32Array.of(3, 4), Float32Array.of(3, 4))).toBe(0);
    expect(relativeChange(Float32Array.of(3, 4), Float32Array.of(3, 9))).toBe(1);
  });

  test('weights decay from generation to generation', () => {
    const weights = weightsOf({ entropy: 0.2, difference: 0.4, decay: 0.5 }, 3);
    expect(weights).toEqual({ entropy: 0.05, difference: 0.1 });
    expect(fitnessOf(0.5, { entropy: 0.8, difference: 0.3 }, weights)).toBeCloseTo(0.5 + 0.04 - 0.03, 12);
  });
});

test('children keep the variance of their parents and lie near them', () => {
  const network = resolveNetwork({
    input: [3, 8, 8],
    timesteps: 2,
    layers: [
      { type: 'conv', out: 8 },
      { type: 'conv', out: 8 },
      { type: 'linear', out: 2, output: true },
    ],
    genes: { count: 40 },
  });
  const [parent, mutation] = [drawGenome(network, 1, 1, 1), drawGenome(network, 1, 2, 1)];
  expect(drawGenome(network, 1, 1, 1)).toEqual(parent);
  const child = mutated(parent, mutation, 0.5).get('genes.3x3')!;
  const product = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0) / a.length;
  const numbers = parent.get('genes.3x3')!;
  expect(numbers).toHaveLength(9 * 40 * 40);
  expect(Math.abs(product(numbers, numbers) - 1)).toBeLessThan(0.05);
  expect(Math.abs(product(child, child) - 1)).toBeLessThan(0.05);
  expect(Math.abs(product(child, numbers) - 1 / Math.sqrt(1.25))).toBeLessThan(0.05);
  expect(Math.abs(product(mutation.get('genes.3x3')!, numbers))).toBeLessThan(0.05);
});

describe('settings', () => {
  test('individuals are ANNs of a few epochs on a part of the images, dense networks have no genes', () => {
    const evolution = parseEvolution('vgg7-genes', { epochs: 3, images: 700 }, ['dataset.name=cifar10']);
    const individual = individualConfig(evolution);
    expect(individual).toMatchObject({
      ann: { epochs: 3 },
      snn: { epochs: 0 },
      convert: { enabled: false },
      dataset: { trainCount: 700, testCount: 140 },
      model: { genes: { count: 192 } },
    });
    const dense = denseConfig(evolution);
    // Of the preset with genes only the rates are taken back.
    const { ann, binary } = resolveConfig('vgg7', ['dataset.name=cifar10']);
    expect(dense.ann.optimizer).toEqual(ann.optimizer);
    expect(dense.binary.optimizer).toEqual(binary.optimizer);
    expect(evolution.config.ann.optimizer.learningRate).toBeCloseTo(0.3 * ann.optimizer.learningRate, 6);
    expect(dense).toEqual({ ...evolution.config, preset: 'vgg7', ann, binary, model: expect.anything() as object });
    expect(dense.model.genes).toBeUndefined();
    expect(dense.model.name).toBe('vgg7');
  });

  test.each<[TrainConfigInput, object, RegExp]>([
    ['vgg7', {}, /a network with genes to evolve/],
    ['vgg7-genes', { parents: 9 }, /at most population \(8\) for evolution\.parents but received 9/],
    ['vgg7-genes', { sigma: 0 }, /for sigma but received 0/],
    ['vgg7-genes', { populations: 2 }, /unknown key 'populations' \(did you mean 'population'\?\)/],
    [{ preset: 'vgg7-genes', init: 'x' } as TrainConfigInput, {}, /no init .* for init but received 'x'/],
    [
      { preset: 'vgg7-genes', start: { evenGenes: true } } as TrainConfigInput,
      {},
      /individuals begin with their genes\) for start\.evenGenes but received true/,
    ],
  ])('%j with %j is refused by name', (given, numbers, message) =>
    expect(() => parseEvolution(given, numbers)).toThrow(
      expect.objectContaining({ code: 'ERR_ARG', message: expect.stringMatching(message) }) as Error,
    ),
  );
});

// A dozen trainings, some in processes of their own: seconds on an idle machine.
jest.setTimeout(180_000);

describe('an evolution', () => {
  const out = join(folder, 'whole');
  let events: EvolveEvents[];
  const generationsOf = (list: EvolveEvents[]): GenerationEvent[] =>
    list.filter((event): event is GenerationEvent => event.event === 'generation');

  test('trains its generations, random individuals, and the best in full beside a dense network', async () => {
    events = await all(evolve(config, settings, { out, threads: 1 }));
    expect(events.map(({ event }) => event)).toEqual(['evolve', 'generation', 'generation', 'evolved']);
    const [first, second] = generationsOf(events) as [GenerationEvent, GenerationEvent];
    expect(first.individuals.map(({ parent }) => parent)).toEqual([null, null]);
    expect(second.individuals.map(({ parent }) => parent)).toEqual(first.parents);
    for (const { individuals, parents, weights, bestFitness } of [first, second]) {
      for (const individual of individuals)
        expect(individual.fitness).toBe(fitnessOf(individual.validationAccuracy!, individual, weights));
      const ranked = [...individuals].sort((a, b) => b.fitness! - a.fitness!);
      expect(ranked.slice(0, 2).map(({ fitness }) => fitness)).toEqual(
        parents.map((parent) => individuals[parent - 1]!.fitness),
      );
      expect(bestFitness).toBe(ranked[0]!.fitness);
      expect(Math.min(...individuals.map(({ difference }) => difference))).toBeGreaterThan(0);
    }
    const lines = readFileSync(join(out, 'generations.jsonl'), 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([first, second]);
    const end = events.at(-1) as EvolvedEvent;
    expect(JSON.parse(readFileSync(join(out, 'evolved.json'), 'utf8'))).toEqual(end);
    const accuracies = [first, second].flatMap(({ individuals }) => individuals.map((one) => one.validationAccuracy!));
    expect(end.evolved).toMatchObject({ individuals: 4, searchAccuracy: Math.max(...accuracies) });
    expect(end.random.individuals).toBe(4);
    expect(end.random.searchAccuracy).toBeGreaterThanOrEqual(Math.max(...accuracies.slice(0, 2)));
    for (const { testAccuracy } of [end.evolved, end.random, end.dense!])
      expect(testAccuracy).toBeGreaterThanOrEqual(0);
    expect(readFileSync(join(out, 'table.md'), 'utf8')).toMatch(
      /^\| network .*\n.*\n\| evolved genes .*\n\| random genes .*\n\| dense /,
    );
  });

  test('started again says the same and trains nothing, and another one is refused', async () => {
    const again = await all(evolve(config, settings, { out, threads: 1 }));
    expect(again).toEqual([{ ...events[0], ended: 2 }, events.at(-1)]);
    await expect(all(evolve(config, { ...settings, sigma: 0.5 }, { out }))).rejects.toMatchObject({
      code: 'ERR_STATE',
    });
  });

  test('a folder that holds anything else is refused, and stays as it is', async () => {
    const other = join(folder, 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'notes.txt'), 'mine');
    await expect(all(evolve(config, settings, { out: other }))).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: expect.stringMatching(/that of this evolution, for out but .*other holds 1 other entries/),
    });
    expect(readdirSync(other)).toEqual(['notes.txt']);
  });

  test('interrupted in its second generation goes on to the same end, in other processes', async () => {
    const stopped = join(folder, 'stopped');
    const controller = new AbortController();
    const run = async (): Promise<void> => {
      for await (const event of evolve(
        config,
        { ...settings, final: false },
        { out: stopped, threads: 1, signal: controller.signal },
      ))
        if (event.event === 'generation') controller.abort();
    };
    await expect(run()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(existsSync(join(stopped, 'evolved.json'))).toBe(false);
    const file = join(folder, 'config.json');
    writeFileSync(file, JSON.stringify({ ...(config as object), evolution: { ...settings, final: false } }));
    const { status, events: printed } = await cli(['evolve', file, '--out', stopped, '--max-parallel', '2', '--json']);
    expect(status).toBe(0);
    const lines = printed() as unknown as EvolveEvents[];
    expect(generationsOf(lines)).toEqual(generationsOf(events).slice(1));
    expect(lines.at(-1)).toMatchObject({ event: 'evolved', dense: null, evolved: { testAccuracy: null } });
  });
});
