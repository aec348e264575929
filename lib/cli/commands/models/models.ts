// `models`: the trained networks that are at hand, and getting more of them.
import type { Command } from 'commander';
import { shellWord } from '../../../io/paths';
import { readMetadata } from '../../../io/safetensors';
import { interruptible } from '../../interrupt';
import { Output } from '../../output';
import { bar, compact, duration, percent, table } from '../../style';
import { UsageError } from '../../usage';
import { expected } from '../../../check';
import { findTrained, packagedOrFail } from './trained';

export function addModels(program: Command): void {
  const models = program
    .command('models')
    .description('trained networks: list those at hand, get one, or read its card');

  models
    .command('list')
    .description('the networks of this package, and those that were fetched')
    .option('--json', 'print JSON Lines')
    .addHelpText('after', '\nExample:\n  $ onespike models list')
    .action(async (flags: { json?: boolean }) => {
      const output = new Output(flags.json === true);
      const { listModels } = await import('../../../zoo/index.js');
      const all = await listModels();
      for (const { name, path, source, card } of all)
        output.event({ event: 'model', name, path, source, card: card ?? null });
      if (all.length === 0) output.line('no networks: this package holds none, and none was fetched');
      else {
        const rows = all.map(({ name, source, card }) => [
          name,
          source,
          card?.data.name ?? '–',
          card?.accuracy.snn == null ? '–' : percent(card.accuracy.snn, 2),
          card === undefined ? '–' : compact(card.network.parameters),
          card?.licence ?? '–',
        ]);
        output.line(table([['name', 'from', 'data', 'SNN accuracy', 'parameters', 'licence'], ...rows], [0, 1, 2, 5]));
      }
    });

  models
    .command('show')
    .description('the card of a network: data, recipe, accuracy, spikes, energy, licence, limits')
    .argument('[name|file]', 'name of a model, or a model file (default: the network of this package)')
    .option('--json', 'print JSON Lines')
    .addHelpText('after', '\nExample:\n  $ onespike models show')
    .action(async (given: string | undefined, flags: { json?: boolean }) => {
      const output = new Output(flags.json === true);
      const found = given === undefined ? await packagedOrFail('nothing') : await findTrained(given);
      const path = typeof found === 'string' ? found : found.path;
      const { cardPage, readCard } = await import('../../../zoo/index.js');
      const card = readCard(await readMetadata(path), path);
      if (card === undefined) throw expected('a model file with a card', path, 'one without', 'ERR_FORMAT');
      output.event({ event: 'card', path, card });
      output.line(cardPage(card).trimEnd());
    });

  models
    .command('fetch')
    .description('download a network and check it')
    .argument('<url>', 'http or https address of a model file')
    .requiredOption('--sha256 <hex>', 'SHA-256 of the file, from a source that you trust')
    .option('--name <name>', 'name to keep it under (default: that of the file)')
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      '\nExample:\n  $ onespike models fetch https://example.org/vgg7.safetensors --sha256 HEX\n  $ onespike predict vgg7 cat.png',
    )
    .action(async (url: string, flags: { sha256: string; name?: string; json?: boolean }) => {
      const output = new Output(flags.json === true);
      const { sha256, name } = flags;
      if (!/^[0-9a-fA-F]{64}$/.test(sha256))
        throw new UsageError(`Expected 64 hexadecimal digits for --sha256 but received '${sha256}'`);
      await interruptible(output, async (signal) => {
        const { fetchModel } = await import('../../../zoo/index.js');
        const fetched = await fetchModel(url, {
          ...{ sha256, name, signal },
          onProgress: ({ received, total }) =>
            output.progress(`${total === undefined ? '' : bar(received / total, 24)}  ${compact(received)}B`),
          onRetry: ({ url: failed, message, attempt, attempts, waitMs }) =>
            output.note(`${failed}: ${message}; attempt ${attempt} of ${attempts} in ${duration(waitMs / 1000)}`),
        });
        const { path, status } = fetched;
        output.event({
          event: 'model',
          name: fetched.name,
          path,
          source: 'fetched',
          card: fetched.card ?? null,
          status,
        });
        output.line(`${status}  ${path}`);
        output.line(`${fetched.name} is ready: onespike predict ${shellWord(fetched.name)} IMAGE...`);
      });
    });
}
