// The network that is timed and the batches it gets.
import { OneSpikeError } from '../../errors';
import { SeededRandom, type DataWarning } from '../../data';
import { Network } from '../../model/network';
import { vgg } from '../../model/vgg';
import { setActivity } from './activity';
import { loadRun } from '../../train/run/load-run';
import { checkClaims, type BenchSettings, type RandomSource, type RunSource } from './settings';

export interface Images {
  /** (N, C, H, W) */
  pixels: Uint8Array;
  /** (N) */
  labels: Int32Array;
}

export interface Subject {
  network: Network;
  /** What step `step` (0-based, warm-up included) works on. */
  batch(step: number): Images;
}

export interface SubjectOptions {
  signal: AbortSignal;
  progress: (text: string) => void;
  warn: (warning: DataWarning) => void;
}

// Thresholds are set on this many images of the batch: more of them would fire the same share within a percent.
const SAMPLE_IMAGES = 64;

/** Network and images; the caller disposes of the network. Errors: UsageError, those of Network and Run, ERR_OOM. */
export async function openSubject(settings: BenchSettings, options: SubjectOptions): Promise<Subject> {
  const { source } = settings;
  return 'run' in source ? openRun(settings, source, options) : openRandom(settings, source, options);
}

async function openRandom(
  settings: BenchSettings,
  source: RandomSource,
  { signal, progress }: SubjectOptions,
): Promise<Subject> {
  const { model, timesteps, classes, activity, surrogate, norm } = source;
  const description = vgg(model, { classes, timesteps, surrogate, norm, leak: 0.9 });
  const images = randomImages(settings.batch, 3 * 32 * 32, classes);
  const { backend, device, threads, layers: profile } = settings;
  progress(`building ${model}`);
  const network = await Network.create(description, {
    backend,
    device,
    threads,
    precision: settings.precision,
    profile,
    seed: 0,
  });
  try {
    if (settings.phase === 'snn') {
      const count = Math.min(SAMPLE_IMAGES, settings.batch);
      const onLayer = (done: number, layers: number): void =>
        progress(`setting thresholds, layer ${done + 1} of ${layers}`);
      await setActivity(network, images.pixels.subarray(0, count * 3 * 32 * 32), activity, { signal, onLayer });
    }
    return { network, batch: () => images };
  } catch (error) {
    await network.dispose();
    throw error;
  }
}

function randomImages(count: number, size: number, classes: number): Images {
  const random = new SeededRandom(0);
  const images = allocate(count, size);
  for (let i = 0; i < images.pixels.length; i++) images.pixels[i] = random.below(256);
  for (let i = 0; i < count; i++) images.labels[i] = random.below(classes);
  return images;
}

function allocate(count: number, size: number): Images {
  try {
    return { pixels: new Uint8Array(count * size), labels: new Int32Array(count) };
  } catch (cause) {
    throw new OneSpikeError('ERR_OOM', `Expected memory for a batch of ${count} images but received none`, { cause });
  }
}

/** Batches are drawn from the run's images in a random order that begins again at its end. */
async function openRun(
  settings: BenchSettings,
  source: RunSource,
  { signal, progress, warn }: SubjectOptions,
): Promise<Subject> {
  const run = await loadRun(source.run);
  checkClaims(source, run.info.network);
  if (settings.phase === 'snn' && run.mode === 'ann') {
    throw new OneSpikeError(
      'ERR_STATE',
      `Expected a spiking network in ${run.path} but received one that has only an ANN so far; --mode ann-train and ann-infer can time it`,
    );
  }
  progress(`loading ${run.config.dataset.name}`);
  const loaded = await run.dataset({ signal });
  loaded.warnings.forEach(warn);
  const set = loaded[source.images];
  const { backend, device, threads, layers: profile } = settings;
  const network = await run.network({
    backend,
    device,
    threads,
    profile,
    ...(settings.precision === undefined ? {} : { precision: settings.precision }),
  });
  const order = new SeededRandom(0).shuffle(Uint32Array.from({ length: set.count }, (_, i) => i));
  const size = set.pixels.length / set.count;
  const images = allocate(settings.batch, size);
  const batch = (step: number): Images => {
    for (let i = 0; i < settings.batch; i++) {
      const row = order[(step * settings.batch + i) % order.length]!;
      images.pixels.set(set.pixels.subarray(row * size, (row + 1) * size), i * size);
      images.labels[i] = set.labels[row]!;
    }
    return images;
  };
  return { network, batch };
}
