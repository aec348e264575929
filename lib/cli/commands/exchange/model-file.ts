// `export --format safetensors`: the network of a run as one model file, with its card.
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { checkOneOf } from '../../../check';
import { OneSpikeError } from '../../../errors';
import { atomicWrite } from '../../../io/write';
import { foldAll } from '../../../model/fold';
import { writeModel } from '../../../model/model-file';
import { loadRun } from '../../../train/run/load-run';
import { isFolder } from '../../../io/status';
import { compact } from '../../style';
import { asUsage } from '../../usage';
import type { Exported, ExportReport } from './export';

const DTYPES = { f32: undefined, f16: 'F16', bf16: 'BF16' } as const;
const NAMES = Object.keys(DTYPES) as (keyof typeof DTYPES)[];

/** Writes the model file, and its card beside it. Errors: a usage error, ERR_ARG, ERR_IO. */
export async function exportModel({ path, model, network, mode, target, flags }: Exported): Promise<ExportReport> {
  const weights = asUsage(() => checkOneOf(flags.dtype ?? 'f32', '--dtype', NAMES));
  const { CARD, cardOf, cardPage } = await import('../../../zoo/index.js');
  const { network: description, tensors } = await foldAll(network.description, await network.parameters());
  const classes = model.classes ?? [];
  const file = basename(target).replace(/\.safetensors$/, '');
  const card = cardOf(description, classes, (await isFolder(path)) ? await loadRun(path) : undefined, {
    name: flags.name ?? file,
    licence: flags.licence,
    limits: flags.limits,
    weights,
  });
  const page = `${target.replace(/\.safetensors$/, '')}.md`;
  if (page === target) throw new OneSpikeError('ERR_ARG', `Expected another file than ${target} for a model`);
  await writeModel(target, description, tensors, {
    weights: DTYPES[weights],
    extra: {
      mode,
      [CARD]: JSON.stringify(card),
      ...(classes.length === 0 ? {} : { classes: JSON.stringify(classes) }),
    },
  });
  await atomicWrite(page, cardPage(card));
  const { size } = await stat(target);
  return {
    fields: { bytes: size, card: page },
    line: `${compact(size)}B, weights ${weights}, ${mode}; card ${page}`,
  };
}
