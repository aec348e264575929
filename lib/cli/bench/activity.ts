// Thresholds at which a wanted share of the neurons fires, for networks with random weights (timings, experiments).
import { layerName, type LayerId } from '../../model/layer';
import type { Network } from '../../model/network';
import { hiddenLayers } from '../../train/run/activity';

// No layer fires at this threshold, and a layer that gets no events costs next to nothing.
const SILENT = 1e30;
// Networks with random weights shrink their potentials from layer to layer; a smaller threshold would amplify noise.
const LEAST = 0.1;
// Where the search of the first layer starts: normalised pixels under He-initialised weights give potentials of about
// 2.
const FIRST = 8;
// And that of the next layer, as a multiple of the threshold found: behind a pool it is smaller, elsewhere up to 2.5
// times as large.
const HEADROOM = 3;
// A share this near to the wanted one, relative to it, is good enough.
const TOLERANCE = 0.01;
// Thresholds are found on this many images and then corrected on all. Alone they would not do: what fits one layer to
// them shows in the next (vgg16 at 0.06 fires 0.09 in its last layers on other images). Searching on all 64 of a batch
// takes 1.6 times as long.
const FEW_IMAGES = 16;
// How far a threshold moves at first when the corrections begin.
const CORRECTION = 0.95;

export interface ActivityOptions {
  signal?: AbortSignal | undefined;
  /**
   * Called before each layer: how many are done, and how many there are (twice those of the network if there are two
   * rounds).
   */
  onLayer?: (done: number, layers: number) => void;
}

/**
 * Sets the threshold of every hidden layer, first to last, so that a share `activity` (0..1) of its neurons fires on
 * `pixels` (N, C, H, W), and returns the shares reached: within 1 % of the wanted one, unless a layer has too few
 * neurons for that or would need a threshold below 0.1.
 *
 * The search comes from high thresholds: no pass fires much more than the share that is looked for, so that it needs no
 * more memory than the network takes at that share.
 */
export async function setActivity(
  network: Network,
  pixels: Uint8Array,
  activity: number,
  options: ActivityOptions = {},
): Promise<number[]> {
  const imageSize = network.description.input.reduce((size, side) => size * side, 1);
  const few = pixels.subarray(0, FEW_IMAGES * imageSize);
  const rounds = few.length < pixels.length ? 2 : 1;
  const layers = hiddenLayers(network).length;
  const report =
    (round: number) =>
    (done: number): void =>
      options.onLayer?.(round * layers + done, rounds * layers);
  let found = await searchLayers(network, few, { activity, signal: options.signal, onLayer: report(0) });
  if (rounds === 2)
    found = await searchLayers(network, pixels, { activity, near: found, signal: options.signal, onLayer: report(1) });
  return found.map(({ share }) => share);
}

interface Search {
  activity: number;
  /** What each layer is near to already. */
  near?: Point[];
  signal: AbortSignal | undefined;
  onLayer: (done: number) => void;
}

/** One layer after the other, on all of `pixels`. */
async function searchLayers(
  network: Network,
  pixels: Uint8Array,
  { activity, near, signal, onLayer }: Search,
): Promise<Point[]> {
  const hidden = hiddenLayers(network);
  const count = pixels.length / network.description.input.reduce((size, side) => size * side, 1);
  const setThreshold = (layer: LayerId, value: number): Promise<void> =>
    network.setParameters({ [`${layerName(layer)}.threshold`]: Float32Array.of(value) });
  for (const { layer } of hidden) await setThreshold(layer, SILENT);
  const found: Point[] = [];
  for (const [i, { layer, neurons }] of hidden.entries()) {
    onLayer(i);
    const shareAt = async (threshold: number): Promise<number> => {
      await setThreshold(layer, threshold);
      const { stats } = await network.forward(pixels, { signal });
      return (stats.spikes[i] ?? 0) / (count * neurons);
    };
    const start = near?.[i]?.threshold ?? (i === 0 ? FIRST : HEADROOM * found[i - 1]!.threshold);
    const point = await findThreshold(shareAt, activity, start, near === undefined ? 0.85 : CORRECTION);
    await setThreshold(layer, point.threshold);
    found.push(point);
  }
  return found;
}

interface Point {
  threshold: number;
  share: number;
}

/**
 * Nearly a straight line over the threshold, because potentials are nearly normal: secants along it converge in a few
 * steps.
 */
const logit = ({ share }: Point): number => Math.log(share / (1 - share));

/**
 * The threshold whose share is `activity`, from `start` downwards, by a factor `step` at first. Shares fall as
 * thresholds rise.
 */
async function findThreshold(
  shareAt: (threshold: number) => Promise<number>,
  activity: number,
  start: number,
  step: number,
): Promise<Point> {
  // The lowest threshold known to be too high, the highest known to be too low.
  let high: Point | undefined;
  let low: Point | undefined;
  let next = start;
  for (let pass = 0; ; pass++) {
    const point = { threshold: next, share: await shareAt(next) };
    const enough = Math.abs(point.share - activity) <= TOLERANCE * activity;
    if (enough || (next === LEAST && point.share < activity)) return point;
    const before = high;
    if (point.share < activity) high = point;
    else low = point;
    if (low === undefined) {
      // In the tail the secant falls short of the goal, so that it is hardly passed; without one only a short step is
      // safe.
      const secant = before === undefined || before.share === 0 ? NaN : along(point, before, activity);
      const lower = point.share === 0 ? 0.7 * next : secant < next ? Math.max(secant, 0.5 * next) : step * next;
      next = Math.max(LEAST, lower);
    } else if (high === undefined) {
      next /= step;
    } else {
      if (high.threshold / low.threshold < 1 + 1e-5) return nearer(high, low, activity);
      const secant = pass % 2 === 0 || high.share === 0 || low.share === 1 ? NaN : along(high, low, activity);
      next = secant > low.threshold && secant < high.threshold ? secant : Math.sqrt(high.threshold * low.threshold);
    }
  }
}

/** The threshold at which the line through both points has the share. */
function along(a: Point, b: Point, activity: number): number {
  const slope = (logit(a) - logit(b)) / (a.threshold - b.threshold);
  return a.threshold + (logit({ threshold: 0, share: activity }) - logit(a)) / slope;
}

function nearer(a: Point, b: Point, activity: number): Point {
  return Math.abs(a.share - activity) <= Math.abs(b.share - activity) ? a : b;
}
