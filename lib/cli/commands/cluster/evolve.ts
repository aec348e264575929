// `evolve`: the initial interactions of a network's genes, generation by generation.
import type { Command } from 'commander';
import { EVOLUTION_LIMITS } from '../../../cluster/evolve/limits';
import { Output } from '../../output';
import { integerOption, numberOption, parallelOption, rangeOption, setOption } from '../../usage';
import type { EvolveFlags } from './evolve-work';

export function addEvolve(program: Command): void {
  program
    .command('evolve')
    .description('let the genes of a network evolve, and compare them with random ones and with a dense network')
    .argument('<preset|config.json>', 'a network with genes: a preset or a configuration file; - is standard input')
    .option('--dataset <name>', 'the data set')
    .option('--data <dir>', 'where the files of the data set are')
    .option('--out <dir>', 'folder of the evolution (default: evolutions/NAME)')
    .option('--generations <n>', 'generations (default: 8)', rangeOption(EVOLUTION_LIMITS.generations))
    .option('--population <n>', 'individuals of a generation (default: 8)', rangeOption(EVOLUTION_LIMITS.population))
    .option(
      '--parents <n>',
      'individuals that the next generation descends from (default: 2)',
      rangeOption(EVOLUTION_LIMITS.parents),
    )
    .option(
      '--sigma <x>',
      'size of a mutation (default: 0.3)',
      numberOption(EVOLUTION_LIMITS.sigma.min, EVOLUTION_LIMITS.sigma.max),
    )
    .option('--epochs <n>', 'ANN epochs of an individual (default: 2)', rangeOption(EVOLUTION_LIMITS.epochs))
    .option(
      '--images <n>',
      'training images of an individual, 0 for all (default: 5000)',
      rangeOption(EVOLUTION_LIMITS.images),
    )
    .option('--no-final', 'leave out the training in full of the best networks and of the dense one')
    .addOption(parallelOption('individuals'))
    .option('--threads <n>', 'compute threads of all individuals together (default: all cores)', integerOption(1))
    .addOption(setOption('set one key of the configuration; may be repeated'))
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      `
Examples:
  $ onespike evolve vgg7-genes --dataset cifar10 --data DIR
  $ onespike evolve vgg7-genes --dataset shapes --generations 3 --population 4 --no-final

Killed or interrupted, the same command goes on where it was. The folder has generations.jsonl, a line for each
generation, and at the end evolved.json and table.md.`,
    )
    .action(async (name: string, flags: EvolveFlags) => {
      const output = new Output(flags.json === true);
      // Loaded when it is wanted: the other commands start sooner.
      const { workOnEvolution } = await import('./evolve-work.js');
      await workOnEvolution(output, name, flags);
    });
}
