// `genes`: a network with weights of its own, encoded in genes.
import type { Command } from 'commander';
import { checkOneOf } from '../../../check';
import { isFolder } from '../../../io/status';
import { shellWord } from '../../../io/paths';
import { encodeGenes } from '../../../model/genes/encode';
import { FIT_STEPS } from '../../../model/genes/fit';
import { geneCompression } from '../../../model/genes/genes';
import type { NetworkOptions } from '../../../model/network';
import { BACKEND_CHOICES } from '../../../native/devices';
import { loadRun } from '../../../train/run/load-run';
import { trainedAt, type Trained } from '../../../train/run/model-run';
import { interruptible } from '../../interrupt';
import { Output } from '../../output';
import { compact, duration, jobProgress, percent } from '../../style';
import { asUsage, backendOption, deviceOption, limitedOption, UsageError } from '../../usage';
import { targetOf } from './import';

interface GenesFlags {
  count: number;
  ann?: boolean;
  steps?: number;
  seed?: number;
  backend?: string;
  device?: number;
  threads?: number;
  output?: string;
  json?: boolean;
}

const defaultFile = 'genes.safetensors';

export function addGenes(program: Command): void {
  program
    .command('genes')
    .description('a trained network with weights that follow from genes, as a model file')
    .argument('<run|model>', 'folder of a run, or a model file')
    .requiredOption('--count <n>', 'number of genes', limitedOption('genes'))
    .option('--ann', 'take the ANN of the run with ReLU, and not the network that it ended with')
    .option('--steps <n>', `steps that fit the genes to the weights (default: ${FIT_STEPS})`, limitedOption('fitSteps'))
    .option('--seed <n>', 'seed of the genes that the fit begins with (default: 1)', limitedOption('seed'))
    .addOption(backendOption())
    .addOption(deviceOption())
    .option('--threads <n>', 'compute threads (default: all cores)', limitedOption('threads'))
    .option('-o, --output <file>', `the model file to write (default: ${defaultFile})`)
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      `
Examples:
  $ onespike genes runs/vgg7-cifar10-20260102-030405 --count 205 --steps 3000
  $ onespike eval genes.safetensors --dataset cifar10 --data DIR
  $ onespike train --init genes.safetensors --dataset cifar10 --data DIR`,
    )
    .action(async (path: string, flags: GenesFlags) => {
      const output = new Output(flags.json === true);
      const backend =
        flags.backend === undefined
          ? undefined
          : asUsage(() => checkOneOf(flags.backend, '--backend', BACKEND_CHOICES));
      const target = await targetOf(path, flags.output, defaultFile);
      const { seed = 1, device, threads } = flags;
      const on = { backend, seed, device, threads };
      await interruptible(output, (signal) => encode(output, { path, target, flags, on, signal }), {
        interrupted: 'Interrupted; nothing was written.',
      });
    });
}

interface Encoding {
  path: string;
  target: string;
  flags: GenesFlags;
  on: NetworkOptions;
  signal: AbortSignal;
}

async function encode(output: Output, { path, target, flags, on, signal }: Encoding): Promise<void> {
  const { network: dense, mode, classes } = await networkAt(path, flags.ann === true, on);
  const begin = performance.now();
  try {
    const { network, residual } = await encodeGenes(dense, flags.count, {
      ...on,
      steps: flags.steps,
      signal,
      onProgress: (progress) => output.status(jobProgress('genes', progress, (performance.now() - begin) / 1000)),
    });
    try {
      await network.save(target, {
        mode,
        ...(classes === undefined ? {} : { classes: JSON.stringify(classes) }),
      });
      const seconds = (performance.now() - begin) / 1000;
      const compression = geneCompression(network.description);
      const { genes: numbers, weights, saved } = compression;
      const { count, steps = FIT_STEPS } = flags;
      output.event({ event: 'genes', file: path, output: target, genes: count, steps, compression, residual, seconds });
      output.line(
        `${count} genes: ${compact(numbers)} numbers for ${compact(weights)} weights of convolutions ` +
          `(${percent(Math.abs(saved))} ${saved < 0 ? 'more' : 'fewer'}), ` +
          `${percent(residual)} of their squares are left over; ${duration(seconds)}`,
      );
      output.line(`model  ${target}`);
      output.line(`next   onespike eval ${shellWord(target)} --dataset NAME, or train --init ${shellWord(target)}`);
    } finally {
      await network.dispose();
    }
  } finally {
    await dense.dispose();
  }
}

/** The network of a run or model file, or the ANN of a run. Errors: a usage error, ERR_IO, ERR_FORMAT, ERR_STATE. */
async function networkAt(path: string, ann: boolean, on: NetworkOptions): Promise<Trained> {
  if (!ann) {
    const { mode, classes, network } = await trainedAt(path);
    return { network: await network(on), mode, classes };
  }
  if (!(await isFolder(path))) throw new UsageError(`Expected the folder of a run with --ann but received ${path}`);
  const run = await loadRun(path);
  return { network: await run.ann(on), mode: 'ann', classes: run.classes };
}
