// `import`: networks of other programs.
import { readFile, realpath } from 'node:fs/promises';
import type { Command } from 'commander';
import type { ImportedModel, ImportOptions } from '../../../exchange';
import { exists } from '../../../io/status';
import { decodeText, parseCommentedJson } from '../../../io/json-text';
import { shellWord } from '../../../io/paths';
import { parameterCount } from '../../../model/shapes';
import type { VggName } from '../../../model/vgg';
import { checkOneOf } from '../../../check';
import { Output } from '../../output';
import { compact, table } from '../../style';
import { asUsage, collect, limitedOption, numberOption, UsageError } from '../../usage';

interface ImportFlags {
  output?: string;
  map: string[];
  model?: string;
  input?: number[];
  timesteps?: number;
  mean?: number[];
  std?: number[];
  maxPool?: 'average';
  dt?: number;
  json?: boolean;
}

const defaultModel = 'model.safetensors';

export function addImport(program: Command): void {
  program
    .command('import')
    .description('a network of another program as a model file')
    .argument('<file>', 'ONNX, NIR, or a state dict of PyTorch: safetensors (or the index.json of several), .pt, .pth')
    .option('-o, --output <file>', `the model file to write (default: ${defaultModel})`)
    .option('--map <module=layer>', 'the layer of a module, or nothing to leave it out; may be repeated', collect, [])
    .option('--model <name|file>', 'a VGG network, or a description in JSON: where pools are')
    .option('--input <c,h,w>', 'channels, height and width of an image', numbers(3))
    .option('--timesteps <n>', 'time steps of the spiking network (default: 5)', limitedOption('timesteps'))
    .option('--mean <list>', 'mean of p / 255 per channel that the network was trained with', numbers())
    .option('--std <list>', 'standard deviation of p / 255 per channel that it was trained with', numbers())
    .option('--max-pool <average>', 'what pools of maxima in an ONNX model become (default: an error)')
    .option('--dt <seconds>', 'duration of a time step of a NIR file (default: 1e-4)', numberOption(0, 1000))
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      `
Examples:
  $ onespike import vgg16_bn.pth --input 3,32,32 -o vgg16.safetensors
  $ onespike import weights.safetensors --map head=layers.9 --map aux=
  $ onespike train --init vgg16.safetensors --dataset cifar10`,
    )
    .action(async (file: string, flags: ImportFlags) => {
      const output = new Output(flags.json === true);
      const target = await targetOf(file, flags.output, defaultModel);
      const { map, input, timesteps, mean, std, maxPool, dt } = flags;
      if (maxPool !== undefined) asUsage(() => checkOneOf(maxPool, '--max-pool', ['average']));
      const options = {
        ...(flags.model === undefined ? {} : { model: await modelOf(flags.model) }),
        ...{ input, timesteps, mean, std, maxPool, dt },
        ...(map.length === 0 ? {} : { map: Object.fromEntries(map.map(entryOf)) }),
      } as ImportOptions;
      // Loaded when it is wanted: the other commands start sooner.
      const { importModel } = await import('../../../exchange/index.js');
      show(output, file, target, await importModel(file, { ...options, output: target }));
    });
}

function show(output: Output, file: string, target: string, model: ImportedModel): void {
  const { format, network, warnings } = model;
  for (const message of warnings) output.warn({ code: 'IMPORT_ASSUMED', message });
  const parameters = parameterCount(network);
  output.event({ event: 'import', file, output: target, format, parameters, network, tensors: model.table });
  const rows = model.table.map((row) => [row.source, row.target ?? '–', row.shape.join(' x ') || '1', row.dtype]);
  output.line(table([['tensor', 'goes to', 'shape', 'type'], ...rows], [0, 1, 2, 3]));
  const list = (numbers: readonly number[]): string => numbers.join(', ');
  output.line(
    `\nimages ${network.input.join(' x ')}, normalised by mean ${list(network.mean)} and std ${list(network.std)}`,
  );
  output.line(`model  ${target}: ${compact(parameters)} parameters, T = ${network.timesteps}`);
  output.line(`next   onespike train --init ${shellWord(target)} --dataset NAME`);
}

/** `name=layer`, where nothing behind the sign leaves the module out. */
function entryOf(text: string): [string, string] {
  const at = text.lastIndexOf('=');
  if (at < 1)
    throw new UsageError(`Expected MODULE=LAYER, or MODULE= to leave it out, for --map but received '${text}'`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** For commander: numbers with commas between them. */
function numbers(count?: number): (text: string) => number[] {
  return (text) => {
    const list = text.split(',').map(Number);
    if (list.some((value) => !Number.isFinite(value)) || (count !== undefined && list.length !== count))
      throw new UsageError(`Expected ${count ?? 'some'} numbers with commas between them but received '${text}'`);
    return list;
  };
}

/** What `--model` names: a VGG network, or a file. */
async function modelOf(name: string): Promise<ImportOptions['model']> {
  if (!name.includes('/') && !/\.jsonc?$/i.test(name)) return name as VggName;
  const bytes = await readFile(name).catch((error: Error) => {
    throw new UsageError(`Could not read ${name}: ${error.message}`);
  });
  return asUsage(() => parseCommentedJson(decodeText(bytes), name)) as ImportOptions['model'];
}

/** The file to write, which is not the one that is read, nor one that nobody named and that is there already. */
export async function targetOf(file: string, given: string | undefined, otherwise: string): Promise<string> {
  const target = given ?? otherwise;
  if (!(await exists(target))) return target;
  const same = (await realpath(target)) === (await realpath(file).catch(() => undefined));
  if (same || given === undefined)
    throw new UsageError(
      `Expected another file than ${target}, which ${same ? 'is being read' : 'is there already'}, for --output`,
    );
  return target;
}
