// Networks as programs in C.
import { checkOneOf, checkOptions, checkString, expected } from '../../check';
import { atomicWrite } from '../../io/write';
import { checkNoCode } from '../../model/code/code';
import { foldAll } from '../../model/fold';
import type { Network } from '../../model/network';
import { packageVersion } from '../../native/version';
import { pixelTables } from './input';
import { footprint, type Footprint } from './footprint';
import { sourceOf } from './source';
import { stagesOf } from './stages';
import { WEIGHT_TYPES, type WeightType } from './weights';

export type { Footprint } from './footprint';
export type { WeightType } from './weights';

/** Options of `exportC`. */
export interface ExportCOptions {
  /**
   * How weights are stored: `f32`, the default; or `i16` or `i8`, integers with a scale for each output, whose sums are
   * integers too.
   */
  weights?: WeightType | undefined;
  /** The names of the classes. */
  classes?: readonly string[] | undefined;
}

/** The most elements of a table: C compilers of microcontrollers have 32-bit sizes. */
const MOST = 2 ** 31 - 1;

/**
 * Writes the spiking network as one file in C99, atomically: weights and an event-driven loop without allocation and
 * without a library, for microcontrollers. Normalisation and encoding of the pixels are part of it, batch normalisation
 * is folded. Returns what it needs of RAM and flash.
 * Errors: ERR_ARG for the encoder `rate`, whose spikes are random, for a network with a code, and for integer sums
 * beyond 32 bits; ERR_IO, ERR_BUSY, ERR_STATE.
 */
export async function exportC(network: Network, path: string, options: ExportCOptions = {}): Promise<Footprint> {
  checkString(path, 'path');
  const given = checkOptions(options, 'options', ['weights', 'classes']) as ExportCOptions;
  const type = checkOneOf(given.weights ?? 'f32', 'weights', WEIGHT_TYPES);
  checkNoCode(network.description);
  const { network: description, tensors } = await foldAll(network.description, await network.parameters());
  const stages = stagesOf(description, tensors, type);
  const largest = Math.max(...stages.map(({ weights }) => weights.values.length));
  if (largest > MOST) throw expected(`at most ${MOST} weights in a layer`, path, largest);
  const program = {
    network: description,
    stages,
    pixels: pixelTables(description),
    classes: given.classes,
    title: `${description.name}, written by onespike ${packageVersion()}`,
  };
  await atomicWrite(path, sourceOf(program));
  return footprint(program);
}
