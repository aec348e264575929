// The memory that a network needs in C.
import type { ResolvedNetwork } from '../../model/description';
import type { PixelTables } from './input';
import { fanIn, sizeOf, type Stage } from './stages';

/** What is written in C. */
export interface Program {
  network: ResolvedNetwork;
  stages: readonly Stage[];
  pixels: PixelTables;
  classes: readonly string[] | undefined;
  title: string;
}

/** Bytes of memory. */
export interface Footprint {
  /** `onespike_work` and the logits, which the caller provides; the stack has `stack` bytes beside them. */
  ram: number;
  /** Constants; code is not counted. */
  flash: number;
  /** The arrays of the deepest function. */
  stack: number;
}

/** Elements of the work memory: two maps of spike times, and the events of one neuron. */
export interface WorkSizes {
  even: number;
  odd: number;
  events: number;
  values: number;
}

export function workSizes({ stages, pixels }: Program): WorkSizes {
  const maps = [1, 1];
  for (const [i, stage] of stages.entries()) if (!stage.output) maps[i % 2] = Math.max(maps[i % 2]!, sizeOf(stage.out));
  const events = (stage: Stage): number => fanIn(stage) * stage.pool ** 2;
  return {
    even: maps[0]!,
    odd: maps[1]!,
    events: Math.max(...stages.map(events)),
    values: pixels.analog === undefined ? 0 : events(stages[0]!),
  };
}

/** Inputs of a neuron are counted by 16 bits where these suffice. */
export function wideIndex({ stages }: Program): boolean {
  return stages.some((stage) => fanIn(stage) > 65_535);
}

/** What the program needs. */
export function footprint(program: Program): Footprint {
  const { network, stages, pixels } = program;
  const { even, odd, events, values } = workSizes(program);
  const work = 4 * values + (wideIndex(program) ? 4 : 2) * events + events + even + odd;
  const stage = ({ weights, bias, thresholds, kappa }: Stage): number =>
    weights.values.byteLength +
    (weights.scales?.byteLength ?? 0) +
    (bias?.byteLength ?? 0) +
    thresholds.byteLength +
    (kappa?.byteLength ?? 0);
  const tables =
    (pixels.analog?.values.byteLength ?? 0) + (pixels.times?.byteLength ?? 0) + (pixels.values?.byteLength ?? 0);
  return {
    ram: Math.ceil(work / 4) * 4 + 4 * stages.at(-1)!.out[0],
    flash: tables + stages.reduce((sum, each) => sum + stage(each), 0),
    stack: 8 * (network.timesteps + 1),
  };
}
