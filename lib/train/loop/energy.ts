// Operations and energy of a network on test images.
import type { ImageSet } from '../../data';
import { energyAccount, OperationCounter, type EnergyReport } from '../../energy';
import type { Network } from '../../model/network';
import type { SpikeTimes } from '../../model/spike-times';
import { pixelsBetween } from '../../data/split';
import type { EnergySummary } from '../run/events';
import { batchCount } from '../rows/order';
import { inShares, type Sharing } from './shares';

export interface EnergyMeasurement {
  /** The first so many images of the set are counted; what there is, if it has fewer. */
  images: number;
  batch: number;
  signal?: AbortSignal | undefined;
  /** The ranks that divide the batches among themselves; none by default. The report is the same on all of them. */
  sharing?: Sharing | null | undefined;
  /** Is called with the spike times of each batch that this process computes and the number of its images. */
  onTrace?: ((spikeTimes: SpikeTimes, images: number) => void) | undefined;
}

/** Errors: ERR_ABORTED, ERR_OOM. */
export async function measureEnergy(
  network: Network,
  test: ImageSet,
  { images, batch, signal, sharing = null, onTrace }: EnergyMeasurement,
): Promise<EnergyReport> {
  const { description } = network;
  const valued = description.schedules || description.code !== undefined;
  const parameters = valued ? await network.parameters() : undefined;
  const [counter, own] = [new OperationCounter(description, parameters), new OperationCounter(description, parameters)];
  const count = Math.min(images, test.count);
  const work = async (piece: number): Promise<Float64Array> => {
    const pixels = pixelsBetween(test, piece * batch, Math.min((piece + 1) * batch, count));
    const { spikeTimes, codes = spikeTimes } = await network.forward(pixels, { trace: true, margins: false, signal });
    own.add(pixels, codes!);
    onTrace?.(codes!, Math.min(batch, count - piece * batch));
    return own.take();
  };
  for await (const round of inShares(batchCount(count, batch), sharing, work))
    for (const sums of round) counter.addSums(sums);
  return energyAccount(description, counter.counts());
}

/** The few numbers of a report that belong into an event. */
export function summariseEnergy(report: EnergyReport): EnergySummary {
  const { headline } = report;
  return {
    ratio: headline.ratio,
    account: headline.account,
    constants: headline.constants.name,
    annPicojoules: headline.annPicojoules,
    snnPicojoules: headline.snnPicojoules,
    ratios: Object.fromEntries(
      report.accounts.map(({ account, constants, ratio }) => [`${account}/${constants.name}`, ratio]),
    ),
    images: report.images,
  };
}
