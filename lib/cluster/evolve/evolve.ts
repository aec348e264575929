// Evolution of the initial interactions of genes (docs/MATHEMATICS.md, "Evolution of genes"): every generation is a
// study whose trials are its individuals, so that several processes may train them, and a killed evolution goes on
// where it was.
import { join } from 'node:path';
import { checkInteger, checkOptions, checkSignal, checkString } from '../../check';
import { OneSpikeError } from '../../errors';
import { absolutePath } from '../../io/paths';
import type { ResolvedNetwork } from '../../model/description';
import { geneCompression } from '../../model/genes/genes';
import { LIMITS } from '../../native/limits';
import type { TrainConfig, TrainConfigInput } from '../../train/config/config';
import { loadConfigured, networkOf } from '../../train/loop/model';
import { RunFolder } from '../../train/run/run-folder';
import type { TrialResult } from '../ranking';
import { parseStudy, type Study } from '../study';
import { StudyFolder } from '../study-folder';
import { sweep } from '../sweep';
import { fitnessOf, readTraits, weightsOf } from './fitness';
import { EvolutionFolder } from './folder';
import { drawGenome, mutated, readGenome, writeBeginning, type Genome } from './genome';
import {
  accuraciesOf,
  type EvolvedEvent,
  type EvolveEvents,
  type GenerationEvent,
  type Individual,
  type Outcome,
} from './records';
import { denseConfig, individualConfig, parseEvolution, sharedConfig, type Evolution } from './settings';

/** Options of `evolve`. */
export interface EvolveOptions {
  /** The folder of the evolution; `evolutions/NAME` by default. */
  out?: string | undefined;
  /** The number of CPU threads of a training; 0, as many as there are cores, by default. */
  threads?: number | undefined;
  /** The signal that stops it: the training at work is saved, then ERR_ABORTED is thrown. */
  signal?: AbortSignal | undefined;
}

/** Trains every trial of a study that is not trained yet, in `folder`. */
export type RunStudy = (study: Study, folder: string) => Promise<void>;

/**
 * Evolves the genes of a network and yields what happens, ending with `evolved`. `config` is a configuration whose
 * network has genes, `settings` the numbers of the evolution (`EvolutionSettings`). Started again with the same
 * arguments it goes on where it was.
 *
 * Errors: ERR_ARG (the configuration or a setting), ERR_STATE (the folder holds another evolution, or no individual of
 * a generation could be trained), ERR_ABORTED, and what `sweep` throws.
 */
export async function* evolve(
  config: TrainConfigInput,
  settings?: object,
  options: EvolveOptions = {},
): AsyncGenerator<EvolveEvents, void, undefined> {
  const { out, threads, signal } = checkOptions(options, 'options', ['out', 'threads', 'signal']);
  const evolution = parseEvolution(config, settings);
  const share = {
    threads: threads === undefined ? 0 : checkInteger(threads, 'threads', { min: 0, max: LIMITS.threads.max }),
    signal: checkSignal(signal, 'signal'),
  };
  yield* evolveBy(
    evolution,
    out === undefined ? undefined : checkString(out, 'out'),
    share.signal,
    async (study, path) => {
      for await (const _ of sweep(study, { ...share, out: path }));
    },
  );
}

/** The same where `run` trains the individuals. */
export async function* evolveBy(
  evolution: Evolution,
  out: string | undefined,
  signal: AbortSignal | undefined,
  run: RunStudy,
): AsyncGenerator<EvolveEvents, void, undefined> {
  const small = individualConfig(evolution);
  const { model } = evolution.config;
  const path = absolutePath(out ?? `evolutions/${model.name ?? 'genes'}`);
  const network = networkOf(model, await loadConfigured(small, path, { signal }));
  const folder = await EvolutionFolder.open(path, evolution);
  const search = new Search(evolution, folder, network, run, signal);
  const records = await folder.generations();
  const compression = geneCompression(network);
  const { config: _, drawSeed: _seed, ...numbers } = evolution;
  const named = { model: network.name, genes: network.genes!.count, compression };
  yield { event: 'evolve', out: path, ...numbers, ...named, ended: records.length };
  while (records.length < evolution.generations) {
    const record = await search.generation(records);
    await folder.writeGenerations([...records, record]);
    await search.forgetAllBut(records, record);
    records.push(record);
    yield record;
  }
  const evolved = bestOf(records)!;
  const random = bestOf(await search.random(records[0]!))!;
  const [evolvedEnd, randomEnd, dense] = evolution.final ? await search.final(evolved, random) : [];
  const individuals = evolution.generations * evolution.population;
  const outcome = (best: Best, end: TrialResult | undefined): Outcome => ({
    individuals,
    searchAccuracy: best.accuracy,
    best: { generation: best.generation, individual: best.individual },
    ...accuraciesOf(end),
  });
  const event: EvolvedEvent = {
    event: 'evolved',
    out: path,
    compression,
    evolved: outcome(evolved, evolvedEnd),
    random: outcome(random, randomEnd),
    dense: dense === undefined ? null : { individuals: 0, searchAccuracy: null, best: null, ...accuraciesOf(dense) },
  };
  await folder.writeEnd(event);
  yield event;
}

interface Best {
  generation: number;
  individual: number;
  accuracy: number;
}

/** Individuals that were trained, by generation; 0 are the random ones beside the first generation. */
interface Trained {
  generation: number;
  individuals: Pick<Individual, 'individual' | 'validationAccuracy'>[];
}

/** The individual with the highest accuracy, of equal ones the first. */
function bestOf(all: readonly Trained[]): Best | undefined {
  let best: Best | undefined;
  for (const { generation, individuals } of all)
    for (const { individual, validationAccuracy: accuracy } of individuals)
      if (accuracy !== null && (best === undefined || accuracy > best.accuracy))
        best = { generation, individual, accuracy };
  return best;
}

/** Trains individuals of an evolution. */
class Search {
  constructor(
    private readonly evolution: Evolution,
    private readonly folder: EvolutionFolder,
    private readonly network: ResolvedNetwork,
    private readonly run: RunStudy,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** The generation that follows those before. Errors: ERR_STATE if none of its individuals could be trained. */
  async generation(before: readonly GenerationEvent[]): Promise<GenerationEvent> {
    const { population, parents: survivors, sigma, drawSeed } = this.evolution;
    const generation = before.length + 1;
    const parents = before.at(-1)?.parents;
    const parentOf = (individual: number): number | null =>
      parents === undefined ? null : parents[(individual - 1) % parents.length]!;
    const genome = async (individual: number): Promise<Genome> => {
      const drawn = drawGenome(this.network, drawSeed, generation, individual);
      const parent = parentOf(individual);
      if (parent === null) return drawn;
      return mutated(await readGenome(this.folder.beginning(generation - 1, parent)), drawn, sigma);
    };
    const results = await this.train(generation, this.folder.study(generation), count(population), genome);
    const weights = weightsOf(this.evolution, generation);
    const individuals: Individual[] = [];
    for (const [i, result] of results.entries()) {
      const accuracy = result.validationAccuracy;
      const model = new RunFolder(join(this.folder.study(generation), result.run)).modelPath;
      const traits =
        accuracy === null
          ? { entropy: 0, difference: 0 }
          : await readTraits(this.folder.beginning(generation, i + 1), model);
      const fitness = accuracy === null ? null : fitnessOf(accuracy, traits, weights);
      individuals.push({
        individual: i + 1,
        parent: parentOf(i + 1),
        validationAccuracy: accuracy,
        ...traits,
        fitness,
      });
    }
    const ranked = individuals
      .filter(({ fitness }) => fitness !== null)
      .sort((a, b) => b.fitness! - a.fitness! || a.individual - b.individual);
    if (ranked.length === 0)
      throw new OneSpikeError(
        'ERR_STATE',
        `Expected an individual that can be trained in generation ${generation} but received none; ${this.folder.study(generation)} says why`,
      );
    return {
      event: 'generation',
      generation,
      weights,
      individuals,
      parents: ranked.slice(0, survivors).map(({ individual }) => individual),
      bestFitness: ranked[0]!.fitness!,
      bestAccuracy: ranked[0]!.validationAccuracy!,
      meanAccuracy: ranked.reduce((sum, { validationAccuracy }) => sum + validationAccuracy!, 0) / ranked.length,
    };
  }

  /**
   * Removes files of individuals that nobody descends from, but those of the best so far and of the first generation.
   */
  async forgetAllBut(before: readonly GenerationEvent[], record: GenerationEvent): Promise<void> {
    const { generation, parents, individuals } = record;
    const best = bestOf([...before, record])!;
    const keeps = (one: number, individual: number): boolean =>
      one === 1 || (one === best.generation && individual === best.individual);
    for (const { individual } of individuals)
      if (!parents.includes(individual) && !keeps(generation, individual))
        await this.folder.forget(generation, individual);
    for (const parent of before.at(-1)?.parents ?? [])
      if (!keeps(generation - 1, parent)) await this.folder.forget(generation - 1, parent);
  }

  /** As many random individuals as the evolution has: its first generation, and others. */
  async random(first: GenerationEvent): Promise<Trained[]> {
    const { generations, population, drawSeed } = this.evolution;
    const more = (generations - 1) * population;
    const trained: Trained[] = [{ generation: 1, individuals: first.individuals }];
    if (more === 0) return trained;
    const genome = async (individual: number): Promise<Genome> => drawGenome(this.network, drawSeed, 0, individual);
    const results = await this.train(0, this.folder.study('random'), count(more), genome);
    const individuals = results.map(({ validationAccuracy }, i) => ({ individual: i + 1, validationAccuracy }));
    return [...trained, { generation: 0, individuals }];
  }

  /** The best evolved network, the best random one and a dense one, trained in full. */
  async final(evolved: Best, random: Best): Promise<(TrialResult | undefined)[]> {
    const inits = [evolved, random].map(({ generation, individual }) => this.folder.beginning(generation, individual));
    const different = [...new Set(inits)];
    const genetic = await this.study('final', this.evolution.config, this.folder.study('final'), { init: different });
    const dense = await this.study('dense', denseConfig(this.evolution), this.folder.study('dense'), {});
    return [...inits.map((init) => genetic[different.indexOf(init)]), dense[0]];
  }

  /** Trains individuals that begin with their genomes. */
  private async train(
    generation: number,
    path: string,
    individuals: readonly number[],
    genome: (individual: number) => Promise<Genome>,
  ): Promise<TrialResult[]> {
    const { config } = this.evolution;
    const init: string[] = [];
    for (const individual of individuals) {
      if (this.signal?.aborted) throw new OneSpikeError('ERR_ABORTED', 'The evolution was interrupted');
      init.push(this.folder.beginning(generation, individual));
      await writeBeginning(init.at(-1)!, this.network, config.seed, () => genome(individual));
    }
    return this.study(`generation-${generation}`, individualConfig(this.evolution), path, { init });
  }

  /** The results of a study, trial by trial. */
  private async study(
    name: string,
    config: TrainConfig,
    path: string,
    parameters: Study['parameters'],
  ): Promise<TrialResult[]> {
    const study = parseStudy({ name, config: sharedConfig(config), parameters, seeds: [config.seed] });
    await this.run(study, path);
    const results = await (await StudyFolder.open(path, study)).results();
    return results.sort((a, b) => a.trial - b.trial);
  }
}

function count(number: number): number[] {
  return Array.from({ length: number }, (_, i) => i + 1);
}
