/** A run while it is being worked on: the network, the images in native memory, and where it stands. */
import { createDataset, type DeviceDataset } from '../../native/dataset';
import { splitValidation, type ImageSet, type LoadedDataset } from '../../data';
import { OneSpikeError, isOneSpikeError } from '../../errors';
import { Network, type StepStats } from '../../model/network';
import type { ResolvedNetwork } from '../../model/description';
import { allRows } from './batches';
import { loadCheckpoint, saveCheckpoint } from '../run/checkpoint';
import { modelFile } from '../run/load-run';
import type { TrainConfig } from '../config/config';
import { Meter } from './meter';
import type { RunFolder } from '../run/run-folder';
import { hiddenLayers, initialState, type HiddenLayer, type Stage, type TrainState } from '../run/state';

export interface SessionOptions {
  signal?: AbortSignal | undefined;
  progressSeconds: number;
  /** Training steps in one call of native code; what the network's backend finds worth it by default. */
  stepsAtOnce?: number | undefined;
}

type Steps = Parameters<Network['trainSteps']>[0];
type StepsOptions = Parameters<Network['trainSteps']>[1];

export class Session {
  readonly hidden: HiddenLayer[];
  private readonly started = performance.now();
  private earlierSeconds: number;
  private counters: ReturnType<Network['counters']>;
  private readonly saving: Meter;

  private constructor(
    readonly config: TrainConfig,
    readonly folder: RunFolder,
    readonly network: Network,
    readonly datasets: { train: DeviceDataset; test: DeviceDataset },
    readonly test: ImageSet,
    readonly rows: { train: Uint32Array; validation: Uint32Array; test: Uint32Array },
    readonly state: TrainState,
    readonly signal: AbortSignal | undefined,
    readonly progressSeconds: number,
    readonly stepsAtOnce: number,
  ) {
    this.hidden = hiddenLayers(network);
    this.earlierSeconds = state.seconds;
    this.counters = network.counters();
    this.saving = new Meter(config.checkpoint.seconds);
  }

  /** Builds the network and loads it from the last checkpoint, from `init`, or not at all. */
  static async open(
    config: TrainConfig,
    folder: RunFolder,
    loaded: LoadedDataset,
    description: ResolvedNetwork,
    options: SessionOptions,
  ): Promise<Session> {
    const { backend, device, seed, threads, precision } = config;
    const network = await Network.create(description, { backend, device, seed, threads, precision });
    try {
      const last = folder.checkpoint('last.safetensors');
      let state = initialState(
        config.ann.epochs > 0 ? 'ann' : config.convert.enabled ? 'convert' : 'snn',
        hiddenLayers(network).length,
      );
      if (await folder.has(last)) state = await loadCheckpoint(last, network);
      else if (config.init !== undefined) await network.load(await modelFile(config.init));
      const split = splitValidation(loaded.train, config.dataset.validation, config.seed);
      const datasets = {
        train: createDataset(loaded.train.pixels, loaded.train.labels, loaded.train.shape),
        test: createDataset(loaded.test.pixels, loaded.test.labels, loaded.test.shape),
      };
      return new Session(
        config,
        folder,
        network,
        datasets,
        loaded.test,
        { ...split, test: allRows(loaded.test.count) },
        state,
        options.signal,
        options.progressSeconds,
        options.stepsAtOnce ?? network.stepsAtOnce,
      );
    } catch (error) {
      await network.dispose();
      throw error;
    }
  }

  /** Errors: ERR_ABORTED once the signal has fired. */
  throwIfAborted(): void {
    if (this.signal?.aborted) throw new OneSpikeError('ERR_ABORTED', 'Training was interrupted');
  }

  /** Training steps in one call: results of those that were made, and the time they took. If none was, the network is as it was before. */
  async steps(steps: Steps, options: StepsOptions): Promise<{ made: StepStats[]; wallSeconds: number }> {
    this.throwIfAborted();
    const started = performance.now();
    const made = await this.network.trainSteps(steps, { ...options, signal: this.signal });
    return { made, wallSeconds: (performance.now() - started) / 1000 };
  }

  /** Declares the present state of the network's random counters the one that a checkpoint holds. */
  mark(): void {
    this.counters = this.network.counters();
  }

  checkpointDue(): boolean {
    return this.saving.due();
  }

  /** Enters a stage from its start, with a fresh optimiser, and records that. */
  async enter(stage: Stage): Promise<void> {
    this.network.resetOptimizer();
    this.state.stage = stage;
    this.state.epoch = 0;
    this.state.step = 0;
    this.mark();
    await this.save();
  }

  /** Writes the last checkpoint. */
  async save(): Promise<void> {
    this.state.seconds = this.seconds();
    this.network.setCounters(this.counters);
    await this.folder.assertHeld();
    await saveCheckpoint(this.folder.checkpoint('last.safetensors'), this.network, this.state);
  }

  /**
   * Saves what an interruption leaves. The stages between the phases change the network on their way and start over
   * on resume, so that theirs is the checkpoint they began with.
   */
  async saveInterrupted(): Promise<void> {
    if (this.state.stage === 'ann' || this.state.stage === 'snn') await this.save();
  }

  /** Wall seconds of the run so far, earlier sittings included. */
  seconds(): number {
    return this.earlierSeconds + (performance.now() - this.started) / 1000;
  }

  async dispose(): Promise<void> {
    await this.network.dispose();
    this.datasets.train.dispose();
    this.datasets.test.dispose();
  }
}

export function isAbort(error: unknown): boolean {
  return isOneSpikeError(error) && error.code === 'ERR_ABORTED';
}
