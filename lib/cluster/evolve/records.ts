// What an evolution reports: a record for every generation, and a comparison at its end.
import type { TrialResult } from '../ranking';
import { percent } from '../../io/text/numbers';
import type { Compression } from '../../model/genes/genes';
import type { EvolutionSettings } from './settings';
import type { FitnessWeights, Traits } from './fitness';

/** An individual after its training. */
export interface Individual extends Traits {
  /** The number of the individual in its generation, from 1. */
  individual: number;
  /** The number of its parent in the generation before; null in the first generation, and of random ones. */
  parent: number | null;
  /** The accuracy of its best epoch on the validation images; null where the training failed. */
  validationAccuracy: number | null;
  /** What it is worth; null where the training failed. */
  fitness: number | null;
}

/** The event of a generation that is complete, and its line in `generations.jsonl`. */
export interface GenerationEvent {
  event: 'generation';
  /** The number of the generation, from 1. */
  generation: number;
  /** The weights of entropy and difference in its fitness. */
  weights: FitnessWeights;
  /** Its individuals. */
  individuals: Individual[];
  /** The numbers of those that the next generation descends from, the best first. */
  parents: number[];
  /** The highest fitness, the accuracy of that individual, and the mean accuracy of all that were trained. */
  bestFitness: number;
  bestAccuracy: number;
  meanAccuracy: number;
}

/** The first event of an evolution. */
export interface EvolveEvent extends Omit<EvolutionSettings, 'drawSeed'> {
  event: 'evolve';
  /** The folder of the evolution. */
  out: string;
  /** The name of the network. */
  model: string;
  /** The number of genes of a channel. */
  genes: number;
  /** How much smaller they make the convolutions. */
  compression: Compression;
  /** The number of generations that are complete already. */
  ended: number;
}

/** How far one of the compared networks came. */
export interface Outcome {
  /** The individuals that were trained to find it; 0 of the dense network. */
  individuals: number;
  /** The highest validation accuracy among them; null of the dense network. */
  searchAccuracy: number | null;
  /** The generation and the number of that individual; null of the dense network. */
  best: { generation: number; individual: number } | null;
  /** The accuracies of the training in full; null where there was none. */
  validationAccuracy: number | null;
  testAccuracy: number | null;
}

/** The last event of an evolution. */
export interface EvolvedEvent {
  event: 'evolved';
  /** The folder of the evolution. */
  out: string;
  compression: Compression;
  /** The best individual of all generations. */
  evolved: Outcome;
  /** The best of as many individuals with random interactions. */
  random: Outcome;
  /** The network whose weights are all its own; null without a training in full. */
  dense: Outcome | null;
}

/** An event of an evolution; `event` tells its kind. */
export type EvolveEvents = EvolveEvent | GenerationEvent | EvolvedEvent;

/** The accuracies of a training in full. */
export function accuraciesOf(result: TrialResult | undefined): Pick<Outcome, 'validationAccuracy' | 'testAccuracy'> {
  return { validationAccuracy: result?.validationAccuracy ?? null, testAccuracy: result?.testAccuracy ?? null };
}

/** The last event as rows of a table, with a heading. */
export function outcomeRows({ compression, evolved, random, dense }: EvolvedEvent): string[][] {
  const row = (name: string, numbers: number, outcome: Outcome): string[] => [
    name,
    String(numbers),
    String(outcome.individuals),
    percent(outcome.searchAccuracy, 2),
    percent(outcome.validationAccuracy, 2),
    percent(outcome.testAccuracy, 2),
  ];
  return [
    ['network', 'numbers of its convolutions', 'individuals', 'best in the search', 'validation', 'test'],
    row('evolved genes', compression.genes, evolved),
    row('random genes', compression.genes, random),
    ...(dense === null ? [] : [row('dense', compression.weights, dense)]),
  ];
}
