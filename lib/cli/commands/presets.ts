// `presets`: the configurations that `train` knows by name.
import type { Command } from 'commander';
import { checkOneOf } from '../../check';
import { datasetNames } from '../../data';
import { resolveConfig } from '../../train/config/config';
import { defaultDataset, presetConfig, presetNames, wasRun } from '../../train/config/presets';
import { BUDGETS, hasBudgets, type Budget } from '../../train/config/recipes';
import { Output } from '../output';
import { table } from '../style';
import { asUsage } from '../usage';

interface PresetFlags {
  dataset?: string;
  budget?: string;
  json?: boolean;
}

export function addPresets(program: Command): void {
  program
    .command('presets')
    .description('list the presets, or print one as a configuration file')
    .argument('[name]', presetNames.join(', '))
    .option('--dataset <name>', `the data set to prepare for: ${datasetNames.join(', ')}`)
    .option('--budget <size>', `the recipe for two cores and an evening, or for a GPU: ${BUDGETS.join(', ')}`)
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      `
Examples:
  $ onespike presets
  $ onespike presets vgg9 --dataset cifar10 > my.json && onespike train my.json
  $ onespike presets vgg7 --dataset cifar10 --budget cpu`,
    )
    .action((name: string | undefined, flags: PresetFlags) => {
      const output = new Output(flags.json === true);
      const { dataset } = flags;
      const budget =
        flags.budget === undefined ? undefined : asUsage(() => checkOneOf(flags.budget, '--budget', BUDGETS));
      if (name !== undefined) print(output, name, dataset ?? defaultDataset, budget);
      else list(output, dataset, budget);
    });
}

function print(output: Output, name: string, dataset: string, budget: Budget | undefined): void {
  const config = asUsage(() => presetConfig(name, dataset, budget), '`onespike presets` lists them');
  output.event(presetEvent(name, dataset, budget, config));
  output.line(JSON.stringify(config, null, 2));
  if (!wasRun(name, dataset, budget)) output.note('not run: this recipe was not trained to the end');
}

function presetEvent(name: string, dataset: string, budget: Budget | undefined, config: object) {
  return { event: 'preset', name, dataset, budget: budget ?? null, ran: wasRun(name, dataset, budget), config };
}

function list(output: Output, dataset: string | undefined, wanted: Budget | undefined): void {
  const rows = [['preset', 'data set', 'budget', 'channels', 'hidden', 'T', 'ANN epochs', 'binary', 'SNN epochs', '']];
  const sets = dataset === undefined ? datasetNames : [dataset];
  for (const preset of presetNames) {
    for (const set of sets) {
      for (const budget of budgetsOf(preset, set, wanted)) {
        const config = resolveConfig(asUsage(() => presetConfig(preset, set, budget)));
        const { width = 1, hidden = [], timesteps, code } = config.model;
        output.event(presetEvent(preset, set, budget, config));
        rows.push([
          preset,
          set,
          budget ?? '',
          `x ${width}`,
          hidden.join(', '),
          code === undefined ? String(timesteps) : code.kind,
          String(config.ann.epochs),
          String(config.binary.epochs),
          String(config.snn.epochs),
          wasRun(preset, set, budget) ? '' : 'not run',
        ]);
      }
    }
  }
  output.line(table(rows, [0, 1, 2, 9]));
  output.line(
    '\nStart one by `onespike train PRESET --dataset NAME`, with `--budget SIZE` where it has one; print one by `onespike presets`\n' +
      'with the same words. "not run": nobody has trained it to the end; docs/RESULTS.md has the results of the others.',
  );
}

/** The recipes of a preset on a data set: its own, and those by budget; or that of one budget, where there is one. */
function budgetsOf(preset: string, set: string, budget: Budget | undefined): readonly (Budget | undefined)[] {
  const all = hasBudgets(preset, set) ? BUDGETS : [];
  return budget === undefined ? [undefined, ...all] : all.filter((size) => size === budget);
}
