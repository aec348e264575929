/** `presets`: the configurations that `train` knows by name. */
import type { Command } from 'commander';
import { datasetNames } from '../../data';
import { defaultDataset, presetConfig, presetNames } from '../../train/config/presets';
import { resolveConfig } from '../../train/config/config';
import { Output } from '../output';
import { table } from '../style';
import { asUsage } from '../usage';

export function addPresets(program: Command): void {
  program
    .command('presets')
    .description('list the presets, or print one as a configuration file')
    .argument('[name]', presetNames.join(', '))
    .option('--dataset <name>', `the data set to prepare for: ${datasetNames.join(', ')}`)
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      `
Examples:
  $ onespike presets
  $ onespike presets vgg9 --dataset cifar10 > my.json && onespike train my.json`,
    )
    .action((name: string | undefined, flags: { dataset?: string; json?: boolean }) => {
      const output = new Output(flags.json === true);
      const dataset = flags.dataset ?? defaultDataset;
      if (name !== undefined) {
        const config = asUsage(() => presetConfig(name, dataset), '`onespike presets` lists them');
        output.event({ event: 'preset', name, dataset, config });
        output.line(JSON.stringify(config, null, 2));
        return;
      }
      const rows = [['preset', 'data set', 'channels', 'hidden', 'T', 'ANN epochs', 'SNN epochs']];
      for (const preset of presetNames) {
        for (const set of flags.dataset === undefined ? datasetNames : [dataset]) {
          const config = resolveConfig(asUsage(() => presetConfig(preset, set)));
          const { width = 1, hidden = [], timesteps, code } = config.model;
          output.event({ event: 'preset', name: preset, dataset: set, config });
          rows.push([
            preset,
            set,
            `x ${width}`,
            hidden.join(', '),
            code === undefined ? String(timesteps) : code.kind,
            String(config.ann.epochs),
            String(config.snn.epochs),
          ]);
        }
      }
      output.line(table(rows, [0, 1]));
      output.line(
        '\nStart one by `onespike train PRESET --dataset NAME`; print one by `onespike presets PRESET --dataset NAME`.',
      );
    });
}
