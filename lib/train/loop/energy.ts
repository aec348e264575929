/** Operations and energy of a network on test images. */
import type { ImageSet } from '../../data';
import { energyAccount, OperationCounter, type EnergyReport } from '../../energy';
import type { Network } from '../../model/network';
import type { SpikeTimes } from '../../model/spike-times';
import type { EnergySummary } from '../run/events';

export interface EnergyMeasurement {
  /** The first so many images of the set are counted; what there is, if it has fewer. */
  images: number;
  batch: number;
  signal?: AbortSignal | undefined;
  /** Is called with the spike times of each batch and the number of its images. */
  onTrace?: ((spikeTimes: SpikeTimes, images: number) => void) | undefined;
}

/** Errors: ERR_ABORTED, ERR_OOM. */
export async function measureEnergy(
  network: Network,
  test: ImageSet,
  { images, batch, signal, onTrace }: EnergyMeasurement,
): Promise<EnergyReport> {
  const { description } = network;
  const valued = description.schedules || description.code !== undefined;
  const counter = new OperationCounter(description, valued ? await network.parameters() : undefined);
  const size = test.pixels.length / test.count;
  const count = Math.min(images, test.count);
  for (let first = 0; first < count; first += batch) {
    const pixels = test.pixels.subarray(first * size, Math.min(first + batch, count) * size);
    const { spikeTimes, codes = spikeTimes } = await network.forward(pixels, { trace: true, margins: false, signal });
    if (codes === undefined) continue;
    counter.add(pixels, codes);
    onTrace?.(codes, pixels.length / size);
  }
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
