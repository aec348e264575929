// `data`: what data sets there are, and getting them.
import type { Command } from 'commander';
import { datasets, type DatasetName } from '../../data';
import { interruptible } from '../interrupt';
import { Output } from '../output';
import { bar, compact, duration, table } from '../style';
import { asUsage } from '../usage';
import { checkOneOf } from '../../check';
import { shellWord } from '../../io/paths';

export function addData(program: Command): void {
  const data = program.command('data').description('data sets: describe one, or download it');

  data
    .command('info')
    .description('where a data set is and what it holds')
    .argument('<name>', datasets.names.join(', '))
    .option('--data <dir>', 'where its files are')
    .option('--json', 'print JSON Lines')
    .addHelpText('after', '\nExample:\n  $ onespike data info cifar10 --data cifar-10-batches-bin')
    .action(async (name: string, flags: { data?: string; json?: boolean }) => {
      const output = new Output(flags.json === true);
      const checked = nameOf(name);
      const info = await datasets.info(checked, flags.data === undefined ? {} : { directory: flags.data });
      output.event({ event: 'data', ...info });
      output.line(
        table(
          Object.entries(info).map(([key, value]) => [key, describe(value)]),
          [0, 1],
        ),
      );
    });

  data
    .command('fetch')
    .description('download a data set and check it')
    .argument('<name>', datasets.names.join(', '))
    .option('--data <dir>', 'where to put its files')
    .option('--json', 'print JSON Lines')
    .addHelpText('after', '\nExample:\n  $ onespike data fetch cifar10')
    .action(async (name: string, flags: { data?: string; json?: boolean }) => {
      const output = new Output(flags.json === true);
      const checked = nameOf(name);
      await interruptible(output, async (signal) => {
        const fetched = await datasets.fetch(checked, {
          ...(flags.data === undefined ? {} : { directory: flags.data }),
          signal,
          onProgress: ({ file, received, total }) =>
            output.progress(`${file}  ${total === undefined ? '' : bar(received / total, 24)}  ${compact(received)}B`),
          onRetry: ({ url, message, attempt, attempts, waitMs }) =>
            output.note(`${url}: ${message}; attempt ${attempt} of ${attempts} in ${duration(waitMs / 1000)}`),
        });
        output.event({ event: 'fetched', ...fetched });
        for (const { path, status } of fetched.files) output.line(`${status}  ${path}`);
        output.line(
          `${checked} is ready; train on it by \`onespike train --dataset ${checked}${flags.data === undefined ? '' : ` --data ${shellWord(flags.data)}`}\``,
        );
      });
    });
}

function nameOf(name: string): DatasetName {
  return asUsage(() => checkOneOf(name, 'NAME', datasets.names));
}

function describe(value: unknown): string {
  if (Array.isArray(value))
    return value
      .map((item) => (typeof item === 'number' && !Number.isInteger(item) ? item.toFixed(4) : String(item)))
      .join(', ');
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}
