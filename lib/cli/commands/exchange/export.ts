// `export`: a network as a file for other programs, or as a model file by itself.
import type { Command } from 'commander';
import { checkOneOf } from '../../../check';
import type { Mode, Network } from '../../../model/network';
import { PHASES } from '../../../train/run/events';
import { trainedAt, type TrainedModel } from '../../../train/run/model-run';
import { Output } from '../../output';
import { asUsage, collect, UsageError } from '../../usage';
import { targetOf } from './import';
import { exportModel } from './model-file';

export interface ExportFlags {
  format: string;
  network?: string;
  dtype?: string;
  name?: string;
  licence?: string;
  limits: string[];
  output?: string;
  json?: boolean;
}

/** What an export has to work with. */
export interface Exported {
  /** What was named. */
  path: string;
  model: TrainedModel;
  network: Network;
  mode: Mode;
  /** The file to write. */
  target: string;
  flags: ExportFlags;
  output: Output;
}

/** What an export tells beside what all of them do: fields of the event, and a line for people. */
export interface ExportReport {
  fields?: object;
  line: string;
}

interface Format {
  /** The file that is written unless another is named. */
  target: string;
  /** The options that the format knows beside those of all. */
  options: readonly (keyof ExportFlags)[];
  write: (exported: Exported) => Promise<ExportReport>;
}

/** The formats of `export`. */
const FORMATS = {
  c: { target: 'model.c', options: ['dtype'], write: exportAsC },
  nir: { target: 'model.nir', options: [], write: exportAsNir },
  onnx: { target: 'model.onnx', options: ['network'], write: exportAsOnnx },
  safetensors: { target: 'model.safetensors', options: ['dtype', 'name', 'licence', 'limits'], write: exportModel },
} as const satisfies Record<string, Format>;
const NAMES = Object.keys(FORMATS) as (keyof typeof FORMATS)[];

export function addExport(program: Command): void {
  program
    .command('export')
    .description('a network as a file for other programs')
    .argument('<run|model>', 'folder of a run, or a model file')
    .requiredOption('--format <name>', NAMES.join(', '))
    .option('--network <name>', `${PHASES.join(', ')} (default: what the network was saved as)`)
    .option('--dtype <name>', 'how weights are stored: f32 (the default); safetensors also f16, bf16; c also i16, i8')
    .option('--name <name>', 'name on the card of a safetensors file (default: that of the file)')
    .option('--licence <text>', 'licence on the card')
    .option('--limits <text>', 'what the network is not fit for, on the card; may be repeated', collect, [])
    .option('-o, --output <file>', 'the file to write (default: model.EXTENSION)')
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      `
Examples:
  $ onespike export runs/mine --format onnx --network snn -o mine.onnx
  $ onespike export runs/mine --format c --dtype i8 -o mine.c
  $ onespike export runs/mine --format safetensors --dtype f16 --licence Apache-2.0 -o mine.safetensors`,
    )
    .action(async (path: string, flags: ExportFlags) => {
      const output = new Output(flags.json === true);
      const name = asUsage(() => checkOneOf(flags.format, '--format', NAMES));
      const format: Format = FORMATS[name];
      checkApplies(flags, name, format);
      const chosen = flags.network;
      const wanted = chosen === undefined ? undefined : asUsage(() => checkOneOf(chosen, '--network', PHASES));
      const target = await targetOf(path, flags.output, format.target);
      const model = await trainedAt(path);
      const network = await model.network({ backend: 'cpu', device: undefined });
      try {
        const mode = wanted ?? model.mode;
        const { fields, line } = await format.write({ path, model, network, mode, target, flags, output });
        output.event({ event: 'export', file: path, output: target, format: name, network: mode, ...fields });
        output.line(`${target}: ${line}`);
      } finally {
        await network.dispose();
      }
    });
}

/** Errors: a usage error for an option that means nothing to the format. */
function checkApplies(flags: ExportFlags, name: string, { options }: Format): void {
  for (const option of ['network', 'dtype', 'name', 'licence', 'limits'] as const) {
    const given = flags[option];
    if (given !== undefined && given.length > 0 && !options.includes(option))
      throw new UsageError(`Expected no --${option} with --format ${name} but received ${String(given)}`);
  }
}

async function exportAsOnnx({ model, network, mode, target }: Exported): Promise<ExportReport> {
  // Loaded when it is wanted: the other commands start sooner.
  const { exportOnnx } = await import('../../../exchange/index.js');
  const { classes } = model;
  await exportOnnx(network, target, {
    mode,
    metadata: classes === undefined ? {} : { classes: JSON.stringify(classes) },
  });
  const { input, layers } = network.description;
  return { line: `pixels uint8 (N, ${input.join(', ')}) to logits (N, ${layers.at(-1)!.out}), ${mode}` };
}

async function exportAsC({ model, network, target, flags }: Exported): Promise<ExportReport> {
  const { exportC } = await import('../../../exchange/index.js');
  checkSpiking(model, 'c');
  const weights = asUsage(() => checkOneOf(flags.dtype ?? 'f32', '--dtype', ['f32', 'i16', 'i8'] as const));
  const { ram, flash, stack } = await exportC(network, target, { weights, classes: model.classes });
  return {
    fields: { ram, flash, stack },
    line: `C99, weights ${weights}; RAM ${ram} bytes (and ${stack} of stack), flash ${flash} bytes of constants`,
  };
}

async function exportAsNir({ model, network, target, output }: Exported): Promise<ExportReport> {
  checkSpiking(model, 'nir');
  const { exportNir } = await import('../../../exchange/index.js');
  const { classes } = model;
  const { warnings } = await exportNir(network, target, { classes });
  for (const message of warnings) output.warn({ code: 'EXPORT_LOSES', message });
  return { line: `a NIR graph of ${network.description.layers.length} layers, as HDF5` };
}

/** Errors: a usage error for a network that was saved as an ANN. */
function checkSpiking({ mode }: TrainedModel, format: string): void {
  if (mode !== 'snn')
    throw new UsageError(
      `Expected a spiking network for --format ${format} but received one that was saved as ${mode}`,
    );
}
