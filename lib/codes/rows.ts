// The measurements of a comparison, one after the other, and the rows that follow from them.
import type { ImageSet } from '../data';
import { SIMULATED_CODES, type SimulatedCode } from '../model/network/simulation-options';
import type { Network } from '../model/network';
import { isWithinOnePoint, stepsWithinOnePoint } from './measure';
import { simulateInPieces, simulationResult } from './pieces';
import type { MeasuredCode } from './result';
import { CALIBRATION_IMAGES, firstImages } from './simulate';
import { settingName, settingsOf, type CodeTimesteps, type SimulationSetting } from './settings';
import type { ComparisonState, Measurement } from './state';
import { measureAnn, measureSpiking, type MeasureOptions } from './trained';

/** How far the measurement of a code is. */
export interface CompareProgress {
  /** The code, with the number of time steps where several are tried. */
  code: string;
  /** The parts done, and those in all: images of a trained network, time steps of all images of a simulation. */
  done: number;
  total: number;
}

/** What all measurements of a comparison have in common. */
export interface Subject {
  state: ComparisonState;
  train: ImageSet;
  test: ImageSet;
  /** What every measurement depends on: version, images, processor. */
  common: string;
  seed: number;
  batch: number;
  signal: AbortSignal | undefined;
  onProgress: ((progress: CompareProgress) => void) | undefined;
}

/** A network of a comparison that has been opened, with a hash of its parameters. */
export interface OpenNetwork {
  network: Network;
  hash: string;
}

/**
 * Images of a piece: at T = 1000 a piece of a VGG-9 takes a minute on two cores, which is what an interruption costs.
 */
const PIECE_IMAGES = 100;

/** The row of a trained network, or of its ANN. */
export async function trainedRow(
  subject: Subject,
  { network, hash }: OpenNetwork,
  code: string,
  mode: 'ann' | 'snn',
): Promise<MeasuredCode> {
  const { state, test, common, batch, signal, onProgress } = subject;
  const measurement: Measurement = {
    name: code,
    key: keyOf(common, hash, mode, network.backend, network.precision),
  };
  const known = state.done(measurement);
  if (known !== undefined) return known;
  const options: MeasureOptions = {
    batch,
    signal,
    onProgress: onProgress && ((progress) => onProgress({ code, ...progress })),
  };
  const measured = await (mode === 'ann' ? measureAnn : measureSpiking)(network, code, test, options);
  await state.saveDone(measurement, measured);
  return measured;
}

/** The rows of the simulated codes, of an ANN on the CPU. */
export async function* simulatedRows(
  subject: Subject,
  ann: OpenNetwork,
  chosen: { timesteps: CodeTimesteps; quick: boolean },
): AsyncGenerator<MeasuredCode> {
  for (const code of SIMULATED_CODES) {
    const series: MeasuredCode[] = [];
    for (const setting of settingsOf(code, chosen)) series.push(await simulated(subject, ann, code, setting));
    yield bestOf(series);
  }
}

async function simulated(
  { state, train, test, common, seed, signal, onProgress }: Subject,
  { network, hash }: OpenNetwork,
  code: SimulatedCode,
  setting: SimulationSetting,
): Promise<MeasuredCode> {
  const name = settingName(setting);
  const activationsKey = keyOf(common, hash, CALIBRATION_IMAGES);
  const measurement: Measurement = { name, key: keyOf(common, hash, setting, seed) };
  const known = state.done(measurement);
  if (known !== undefined) return known;
  const { key } = measurement;
  const activations = state.activations(activationsKey);
  const calibration = train.count === 0 ? undefined : firstImages(train, CALIBRATION_IMAGES).pixels;
  const sums = await simulateInPieces(
    network,
    test,
    {
      ...setting,
      seed,
      ...(activations === undefined ? { calibration } : { activations }),
      signal,
      onProgress: onProgress && ((progress) => onProgress({ code: name, ...progress })),
    },
    {
      piece: PIECE_IMAGES,
      from: state.partial(key),
      save: (sums) => state.savePartial(key, activationsKey, sums),
    },
  );
  const measured = simulationResult(network, code, sums);
  await state.saveDone(measurement, measured);
  return measured;
}

/**
 * Of several windows the one with the highest accuracy, the shorter one of equals; the steps to come within one point
 * of it are the fewest that any of them takes.
 */
export function bestOf(series: readonly MeasuredCode[]): MeasuredCode {
  const best = series.reduce((most, each) => (each.result.accuracy > most.result.accuracy ? each : most));
  const { accuracy } = best.result;
  const steps = [best.result.stepsWithinOnePoint, ...series.flatMap((each) => stepsTo(each, accuracy))];
  return { ...best, result: { ...best.result, stepsWithinOnePoint: Math.min(...steps) } };
}

/** The first step from which on a code stays within one point of `accuracy`; nothing if it ends below. */
function stepsTo({ steps }: MeasuredCode, accuracy: number): number[] {
  return isWithinOnePoint(steps.at(-1)!.accuracy, accuracy) ? [stepsWithinOnePoint(steps, accuracy)] : [];
}

function keyOf(...parts: unknown[]): string {
  return JSON.stringify(parts);
}
