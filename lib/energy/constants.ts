// Energy per operation and per byte at 45 nm, and the widths of what moves.

/** The number format of weights and activations, which decides the energy of an operation. */
export type NumberFormat = 'int32' | 'fp32' | 'fp16' | 'int8';
/** The memory that the account `compute+memory` charges every byte to: SRAM of 8 KB, 32 KB or 1 MB, or DRAM. */
export type MemoryLevel = 'sram-8k' | 'sram-32k' | 'sram-1m' | 'dram';

/** The energy of arithmetic in one number format, and the widths of its values. */
export interface ArithmeticConstants {
  /** The energy of one multiply-accumulate, in picojoules. */
  macPicojoules: number;
  /** The energy of one accumulate, in picojoules. */
  accumulatePicojoules: number;
  /** The bytes of a weight, and of a pixel or an activation of the dense network. */
  valueBytes: number;
  /** The bytes of a membrane potential; int8 accumulates in 32 bits. */
  potentialBytes: number;
  /** The publication that the energies come from. */
  source: string;
}

const HOROWITZ = "M. Horowitz, 'Computing's energy problem (and what we can do about it)', ISSCC 2014, 45 nm";

/** The constants of every number format. */
export const ARITHMETIC: Readonly<Record<NumberFormat, ArithmeticConstants>> = {
  int32: {
    macPicojoules: 3.2,
    accumulatePicojoules: 0.1,
    valueBytes: 4,
    potentialBytes: 4,
    source: `${HOROWITZ}; the pair behind the ratio of Datta, Kundu and Beerel, IJCNN 2021`,
  },
  fp32: { macPicojoules: 4.6, accumulatePicojoules: 0.9, valueBytes: 4, potentialBytes: 4, source: HOROWITZ },
  fp16: { macPicojoules: 1.5, accumulatePicojoules: 0.4, valueBytes: 2, potentialBytes: 2, source: HOROWITZ },
  int8: { macPicojoules: 0.23, accumulatePicojoules: 0.03, valueBytes: 1, potentialBytes: 4, source: HOROWITZ },
};

/** The bytes of an address-event; its time is implied by its place in the stream. */
export const EVENT_BYTES = 4;

/** The energy of moving one byte to or from a memory. */
export interface MemoryConstants {
  /** The energy of one byte, in picojoules. */
  picojoulesPerByte: number;
  /** The publication that it comes from. */
  source: string;
}

/** The constants of every memory. */
export const MEMORY: Readonly<Record<MemoryLevel, MemoryConstants>> = {
  'sram-8k': { picojoulesPerByte: 1.25, source: `${HOROWITZ}: 10 pJ per 64 bits of an 8 KB cache` },
  'sram-32k': { picojoulesPerByte: 2.5, source: `${HOROWITZ}: 20 pJ per 64 bits of a 32 KB cache` },
  'sram-1m': { picojoulesPerByte: 12.5, source: `${HOROWITZ}: 100 pJ per 64 bits of a 1 MB cache` },
  dram: { picojoulesPerByte: 162.5, source: `${HOROWITZ}: 1.3 nJ per 64 bits, the lower end given` },
};
