// Networks as NIR files.
import { checkOptions, checkString } from '../../check';
import { encodeHdf5 } from '../../io/hdf5/write';
import { atomicWrite } from '../../io/write';
import { checkNoCode } from '../../model/code/code';
import type { ResolvedNetwork } from '../../model/description';
import { foldAll } from '../../model/fold';
import type { Network } from '../../model/network';
import { nirGraph, STEP_SECONDS } from './graph';

/** Options of `exportNir`. */
export interface ExportNirOptions {
  /** The names of the classes. */
  classes?: readonly string[] | undefined;
}

/** What `exportNir` has done. */
export interface ExportedNir {
  /** What NIR cannot express and other programs therefore do not compute, in sentences. */
  warnings: string[];
}

/**
 * Writes the spiking network as a NIR file (HDF5), atomically: convolutions, linear layers, average pools and leaky
 * integrate-and-fire neurons, of the steps of 0.1 ms that simulators take. What NIR cannot express is in the metadata,
 * from which `importModel` reads the same network, and in `warnings`. Batch normalisation is folded.
 * Errors: ERR_ARG for a network with a code; ERR_IO, ERR_BUSY, ERR_STATE.
 */
export async function exportNir(network: Network, path: string, options: ExportNirOptions = {}): Promise<ExportedNir> {
  checkString(path, 'path');
  const { classes } = checkOptions(options, 'options', ['classes']) as ExportNirOptions;
  checkNoCode(network.description);
  const { network: description, tensors } = await foldAll(network.description, await network.parameters());
  await atomicWrite(path, encodeHdf5(nirGraph(description, tensors, classes === undefined ? {} : { classes })));
  return { warnings: warningsOf(description) };
}

/** What is in the metadata alone. */
function warningsOf({ encoder, alpha, beta, schedules, timesteps, initialPotential = 0 }: ResolvedNetwork): string[] {
  return [
    `neurons fire at most once here: in NIR they are reset to 0 and may fire again (metadata single_spike)`,
    `NIR has no encoder of pixels: other programs feed the input of the encoder '${encoder}' over ${timesteps} steps of ${STEP_SECONDS} s themselves`,
    `NIR has no readout: other programs see the spikes of the output layer, not logits (alpha ${alpha}, beta ${beta})`,
    ...(initialPotential > 0
      ? [
          `NIR neurons begin at 0: the initial potential, ${initialPotential} of the threshold, ` +
            'is in the metadata alone',
        ]
      : []),
    ...(schedules ? ['NIR has no schedules: weights of steps and moving thresholds are in the metadata alone'] : []),
  ];
}
