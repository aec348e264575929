// Networks as ONNX files.
import { checkOneOf, checkOptions, checkString, expected } from '../../check';
import { sizeOf } from '../../io/binary/protobuf';
import { atomicWrite } from '../../io/write';
import { checkNoCode } from '../../model/code/code';
import { foldAll } from '../../model/fold';
import type { Mode, Network } from '../../model/network';
import { packageVersion } from '../../native/version';
import { addAnn } from './ann';
import { GraphBuilder } from './graph';
import { addSnn } from './snn';
import { encodeModel } from './write';

/** Options of `exportOnnx`. */
export interface ExportOnnxOptions {
  /** What of the network is written; the spiking network, `snn`, by default. */
  mode?: Mode | undefined;
  /** Entries of the metadata of the file. */
  metadata?: Readonly<Record<string, string>> | undefined;
}

/** Protobuf knows no message of 2 GiB. */
const MAX_BYTES = 2 ** 31 - 1;

/**
 * Writes a network as an ONNX model (operator set 13), atomically: `pixels`, uint8 (N, C, H, W) with N free, to
 * `logits` (N, K). Normalisation and encoding of the pixels are part of it, batch normalisation and pools before
 * neurons are folded. The spiking network is unrolled over its steps.
 * Errors: ERR_ARG for the encoder `rate`, whose spikes are random, for a network with a code, and for more than 2 GiB;
 * ERR_IO, ERR_BUSY, ERR_STATE.
 */
export async function exportOnnx(network: Network, path: string, options: ExportOnnxOptions = {}): Promise<void> {
  checkString(path, 'path');
  const { mode: given = 'snn', metadata = {} } = checkOptions(options, 'options', ['mode', 'metadata']);
  const mode = checkOneOf(given, 'mode', ['snn', 'ann', 'binary'] as const);
  checkNoCode(network.description);
  const { network: description, tensors } = await foldAll(network.description, await network.parameters());
  const builder = new GraphBuilder(description, tensors);
  if (mode === 'snn') addSnn(builder);
  else addAnn(builder, mode === 'binary');
  const pieces = encodeModel(builder.graph(), packageVersion(), metadata as Record<string, string>);
  const bytes = sizeOf(pieces);
  if (bytes > MAX_BYTES) throw expected(`a model of at most ${MAX_BYTES} bytes`, path, bytes);
  await atomicWrite(path, pieces);
}
