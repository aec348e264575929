// From operations to picojoules: two accounts, each with every set of constants, against the dense network.
import { checkOneOf, checkOptions, expected } from '../check';
import { resolveNetwork, type NetworkDescription } from '../model/description';
import type { Code } from '../model/code/code';
import { stepsToDecision } from '../model/code/steps';
import { isPool } from '../model/layer';
import {
  ARITHMETIC,
  EVENT_BYTES,
  MEMORY,
  type ArithmeticConstants,
  type MemoryLevel,
  type NumberFormat,
} from './constants';
import type { LayerOperations, OperationCounts } from '../model/network/operations';

/** The energies of the dense and of the spiking network. */
export interface EnergyPair {
  /** The energy of the dense network, in picojoules per image. */
  annPicojoules: number;
  /** The energy of the spiking network, in picojoules per image. */
  snnPicojoules: number;
  /** The energy of the dense network over that of the spiking one; null if the latter is 0. */
  ratio: number | null;
}

/** The energy per image in one account with one set of constants (docs/MATHEMATICS.md, "Operations and energy"). */
export interface EnergyAccount extends EnergyPair {
  /**
   * The account `compute` has multiply-accumulates and accumulates alone. `compute+memory` adds the bytes that they
   * move if nothing is kept between two operations but a partial sum of the dense network. Dense: a weight and an
   * activation read per multiply-accumulate, an activation written per neuron. Spiking: a weight and a pixel read per
   * analog multiply-accumulate, a weight read and a potential read and written per accumulate, a potential read and
   * written per update of a neuron, an event written where it arises and read where it arrives (the spikes of pixels
   * are only read).
   */
  account: 'compute' | 'compute+memory';
  /** The constants of the account; `memory` is null in the account `compute`. */
  constants: ArithmeticConstants & { name: NumberFormat; memory: MemoryTraffic | null };
  /** The energies of every weighted layer; `layer` is its entry in the layer list. */
  layers: (EnergyPair & { layer: number })[];
}

/** The memory behind an account `compute+memory`. */
export interface MemoryTraffic {
  /** The name of the memory. */
  name: MemoryLevel;
  /** The energy of one byte, in picojoules. */
  picojoulesPerByte: number;
  /** The bytes of one event. */
  eventBytes: number;
  /** The publication that the energy comes from. */
  source: string;
}

/**
 * All accounts of one network on given images. It is plain JSON, and its operations and energies are means per image.
 */
export interface EnergyReport extends OperationCounts {
  /** The name of the network. */
  network: string;
  /** T, or with a code the number of steps until the decision. */
  timesteps: number;
  /** The code, where the network has one. */
  code?: Code;
  /** The input encoder. */
  encoder: string;
  /** The operations of all layers; `spikesPerNeuron` is a mean over the hidden neurons. */
  total: {
    annMacs: number;
    macs: number;
    scheduleMacs: number;
    accumulates: number;
    events: number;
    spikes: number;
    spikesPerNeuron: number;
  };
  /** The account that the paper compares by: `compute` in int32. */
  headline: EnergyAccount;
  /** Every account with every set of constants, the headline first. */
  accounts: EnergyAccount[];
}

/** Options of `energyAccount`. */
export interface EnergyOptions {
  /** The memory behind the account `compute+memory`; 'sram-32k' by default. */
  memory?: MemoryLevel;
}

/**
 * Turns operations into energy per image, for the network that performed `counts` and for the dense network of the same
 * shape, in every account.
 *
 * Errors: ERR_ARG for an unknown memory, and for counts that no network of this description has.
 */
export function energyAccount(
  description: NetworkDescription,
  counts: OperationCounts,
  options: EnergyOptions = {},
): EnergyReport {
  const given = checkOptions(options, 'options', ['memory']);
  const memory = checkOneOf(given['memory'] ?? 'sram-32k', 'memory', Object.keys(MEMORY) as MemoryLevel[]);
  const network = resolveNetwork(description);
  const weighted = network.layers.flatMap((layer, index) => (isPool(layer.type) ? [] : [index]));
  if (
    typeof counts !== 'object' ||
    counts === null ||
    !Array.isArray(counts.layers) ||
    String(counts.layers.map((layer) => layer?.layer)) !== String(weighted)
  ) {
    throw expected('what countOperations returned for this network', 'counts', counts);
  }
  const traffic: MemoryTraffic = { name: memory, ...MEMORY[memory], eventBytes: EVENT_BYTES };
  const formats = Object.keys(ARITHMETIC) as NumberFormat[];
  const accounts = [null, traffic].flatMap((moved) => formats.map((name) => account(counts.layers, name, moved)));
  const sum = (
    key: 'annMacs' | 'macs' | 'scheduleMacs' | 'accumulates' | 'events' | 'spikes' | 'neurons',
    layers = counts.layers,
  ): number => layers.reduce((total, layer) => total + layer[key], 0);
  const hiddenNeurons = sum('neurons', counts.layers.slice(0, -1));
  const spikes = sum('spikes');
  return {
    network: network.name,
    timesteps: stepsToDecision(network),
    ...(network.code === undefined ? {} : { code: network.code }),
    encoder: network.encoder,
    images: counts.images,
    expectedInput: counts.expectedInput,
    layers: counts.layers,
    total: {
      annMacs: sum('annMacs'),
      macs: sum('macs'),
      scheduleMacs: sum('scheduleMacs'),
      accumulates: sum('accumulates'),
      events: sum('events'),
      spikes,
      spikesPerNeuron: hiddenNeurons === 0 ? 0 : spikes / hiddenNeurons,
    },
    headline: accounts[0]!,
    accounts,
  };
}

function account(layers: readonly LayerOperations[], name: NumberFormat, memory: MemoryTraffic | null): EnergyAccount {
  const constants = { name, ...ARITHMETIC[name], memory };
  const parts = layers.map((operations) => {
    const bytes = memory === null ? { ann: 0, snn: 0 } : movedBytes(operations, constants, memory.eventBytes);
    const perByte = memory?.picojoulesPerByte ?? 0;
    const { macPicojoules: mac, accumulatePicojoules: accumulate } = constants;
    return {
      layer: operations.layer,
      ...pair(
        operations.annMacs * mac + bytes.ann * perByte,
        (operations.macs + operations.scheduleMacs) * mac + operations.accumulates * accumulate + bytes.snn * perByte,
      ),
    };
  });
  const total = (key: 'annPicojoules' | 'snnPicojoules'): number =>
    parts.reduce((energy, part) => energy + part[key], 0);
  return {
    account: memory === null ? 'compute' : 'compute+memory',
    constants,
    layers: parts,
    ...pair(total('annPicojoules'), total('snnPicojoules')),
  };
}

function movedBytes(
  operations: LayerOperations,
  { valueBytes, potentialBytes }: ArithmeticConstants,
  eventBytes: number,
): { ann: number; snn: number } {
  const { annMacs, macs, accumulates, events, spikes, updates, neurons } = operations;
  return {
    ann: annMacs * 2 * valueBytes + neurons * valueBytes,
    snn:
      macs * 2 * valueBytes +
      accumulates * (valueBytes + 2 * potentialBytes) +
      updates * 2 * potentialBytes +
      (events + spikes) * eventBytes,
  };
}

function pair(annPicojoules: number, snnPicojoules: number): EnergyPair {
  return { annPicojoules, snnPicojoules, ratio: snnPicojoules > 0 ? annPicojoules / snnPicojoules : null };
}
