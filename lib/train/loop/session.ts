// A run that is being worked on: its network, its images, and where it stands. All that changes this state is here.
import type { LoadedDataset } from '../../data';
import { OneSpikeError, isOneSpikeError } from '../../errors';
import type { SpikingLayer } from '../../model/layer';
import {
  Network,
  type DistillationOptions,
  type ParametersOptions,
  type TrainStep,
  type TrainStepsOptions,
} from '../../model/network';
import type { ResolvedNetwork } from '../../model/description';
import type { NetworkParameters } from '../../model/fold';
import { carryParameters } from '../../model/parameters';
import type { TrainConfig } from '../config/config';
import { excessOf, hiddenLayers } from '../run/activity';
import { changeConfig, continueWith, recordChange, type ChangedConfig } from '../run/changes';
import { loadCheckpoint, readCheckpoint, saveCheckpoint } from '../run/checkpoint';
import type { ConvertedEvent, DoneEvent, EpochEvent, Phase, WarningEvent } from '../run/events';
import type { RunFolder, RunInfo } from '../run/run-folder';
import {
  afterConversion,
  afterEpoch,
  afterSteps,
  atStart,
  isPhase,
  withoutBest,
  type AnnScores,
  type BestEpoch,
  type Stage,
  type TrainState,
} from '../run/state';
import { begin, beginningNetwork } from './beginning';
import type { Pace } from '../minutes/pace';
import { checkFinite } from './divergence';
import { placeImages, releaseTraining, type RunImages } from '../rows/images';
import { networkOptions } from './model';
import { Interval } from './progress';
import { Together, type Ranks } from './ranks';
import { addElapsed, startStopwatch, type Elapsed } from '../run/stopwatch';
import { Teachers } from './teacher';

export interface SessionOptions {
  signal?: AbortSignal | undefined;
  progressSeconds: number;
  /** Training steps in one call of native code; what the network's backend finds worth it by default. */
  stepsAtOnce?: number | undefined;
  /** What keeps a new run to its time, if it has one; what `minutes` chose stays when a run continues. */
  pace?: Pace | undefined;
  /** The ranks that train the run together; null for one process. */
  ranks: Ranks | null;
  /** The time that a new run took before its session was opened. */
  timeBefore?: Elapsed | undefined;
}

/** What a session is opened for. */
export interface SessionSource {
  config: TrainConfig;
  folder: RunFolder;
  loaded: LoadedDataset;
  description: ResolvedNetwork;
  /** Whether the folder holds a run that continues. */
  resumed: boolean;
}

/** What run.json says of a run, and what a person should know before trusting its results. */
export interface RunDescription {
  info: RunInfo;
  warnings: readonly WarningEvent[];
}

interface Parts extends Pick<SessionSource, 'config' | 'folder'>, RunDescription {
  network: Network;
  images: RunImages;
  state: TrainState;
  options: SessionOptions;
}

export class Session {
  readonly folder: RunFolder;
  /** Warnings that are reported when the work begins. */
  readonly warnings: readonly WarningEvent[];
  readonly images: RunImages;
  readonly hidden: readonly SpikingLayer[];
  readonly signal: AbortSignal | undefined;
  readonly progressSeconds: number;
  readonly stepsAtOnce: number;
  readonly pace: Pace | undefined;
  /** The ranks that train the run together. */
  readonly together: Together;
  #config: TrainConfig;
  #info: RunInfo;
  #network: Network;
  readonly #teachers = new Teachers();
  readonly #stop: AbortSignal | undefined;
  #state: TrainState;
  readonly #saving: Interval;
  readonly #earlier: Elapsed;
  readonly #elapsed = startStopwatch();

  private constructor({ config, folder, info, warnings, network, images, state, options }: Parts) {
    this.#config = config;
    this.folder = folder;
    this.#info = info;
    this.warnings = warnings;
    this.#network = network;
    this.images = images;
    this.hidden = hiddenLayers(network);
    // Native code is never interrupted where other ranks wait for it.
    this.signal = options.ranks === null ? options.signal : undefined;
    this.#stop = options.signal;
    this.progressSeconds = options.progressSeconds;
    this.stepsAtOnce = options.stepsAtOnce ?? network.stepsAtOnce;
    this.pace = options.pace;
    this.together = new Together(options.ranks, folder);
    this.#state = state;
    this.#saving = new Interval(config.checkpoint.seconds);
    this.#earlier = options.timeBefore === undefined ? state : addElapsed(state, options.timeBefore);
  }

  /**
   * Builds the network and loads it from the last checkpoint if the run is resumed, from `init`, or not at all.
   * `describe` says what it is now.
   */
  static async open(
    { config, folder, loaded, description, resumed }: SessionSource,
    describe: (network: Network, images: RunImages, state: TrainState) => RunDescription,
    options: SessionOptions,
  ): Promise<Session> {
    const last = folder.checkpoint('last.safetensors');
    // The folder of a run that begins is not its own yet: another run that began in the same second may have it.
    const saved = resumed && (await folder.lead(() => folder.has(last)));
    const checkpoint = saved ? await readCheckpoint(await folder.fetch(last)) : null;
    // After a conversion the network is another one than the run began with.
    const begun = checkpoint?.network ?? (await beginningNetwork(config, description));
    const network = await Network.create(begun, networkOptions(config));
    let images: RunImages | undefined;
    try {
      const state =
        checkpoint === null ? await begin(config, network, loaded) : await loadCheckpoint(checkpoint, network);
      images = placeImages(loaded, config, options.ranks);
      releaseTraining(loaded);
      return new Session({ config, folder, ...describe(network, images, state), network, images, state, options });
    } catch (error) {
      images?.dispose();
      await network.dispose();
      throw error;
    }
  }

  /** The configuration. `minutes` may change its numbers of epochs. */
  get config(): TrainConfig {
    return this.#config;
  }

  /** What run.json says of the run. */
  get info(): RunInfo {
    return this.#info;
  }

  /** The network that is being trained. A conversion may replace it. */
  get network(): Network {
    return this.#network;
  }

  /** Goes on with another network, which has the same layers and neurons. */
  async replaceNetwork({ network: description, tensors }: NetworkParameters): Promise<void> {
    const network = await Network.create(description, networkOptions(this.config));
    try {
      await network.setParameters(tensors);
      network.setCounters(this.#network.counters());
    } catch (error) {
      await network.dispose();
      throw error;
    }
    await this.#network.dispose();
    this.#network = network;
  }

  /** Goes on with so many time steps; if they are others, optimiser and best network begin anew. */
  async setTimesteps(timesteps: number): Promise<void> {
    const { network } = this;
    if (network.description.timesteps === timesteps) return;
    await network.resetOptimizer();
    const tensors = carryParameters(await network.parameters(), timesteps);
    await this.replaceNetwork({ network: { ...network.description, timesteps }, tensors });
    this.#state = { ...withoutBest(this.#state, 'snn'), counters: this.network.counters() };
  }

  /** The teacher of a phase; undefined if the phase has none. */
  async teacher(phase: Phase): Promise<DistillationOptions | undefined> {
    return this.#teachers.of(phase, this);
  }

  /** Where the run stands. Every change replaces it. */
  get state(): TrainState {
    return this.#state;
  }

  /** Errors: ERR_ABORTED once the signal has fired, on every rank once it has fired on one. */
  async throwIfStopped(): Promise<void> {
    if (await this.together.any(this.#stop?.aborted ?? false))
      throw new OneSpikeError('ERR_ABORTED', 'Training was interrupted');
  }

  /**
   * Runs training steps of the current epoch, as many as one call does before the signal stops it, and saves if that is
   * due.
   * Errors: ERR_ABORTED before the first step, ERR_STATE for a loss or a gradient that is not finite.
   */
  async train(steps: readonly TrainStep[], options: TrainStepsOptions & { mode: Phase }): Promise<void> {
    await this.throwIfStopped();
    const elapsed = startStopwatch();
    const shared = { signal: this.signal, communicator: this.together.ranks?.handle };
    const stats = await this.together.all(this.network.trainSteps(steps, { ...options, ...shared }));
    const time = elapsed();
    checkFinite(this, stats, options.mode);
    this.#state = { ...afterSteps(this.#state, stats, time), counters: this.network.counters() };
    if (await this.together.any(this.together.leads && this.#saving.due())) await this.save();
  }

  /** Declares an evaluation complete: a checkpoint holds the random counters after it, and what an ANN scored. */
  evaluated(scores: Partial<AnnScores>): void {
    this.#state = { ...this.#state, ...scores, counters: this.network.counters() };
  }

  /** Ends an epoch. The last checkpoint is written last: after a crash before it the epoch is repeated. */
  async recordEpoch(event: EpochEvent, excess: number, parameters: ParametersOptions): Promise<void> {
    const metricsBytes = await this.folder.appendMetric(this.#state.metricsBytes, event);
    const best = { file: `${event.phase}-best.safetensors`, excess };
    if (event.best)
      await this.folder.lead(() => this.network.save(this.folder.checkpoint(best.file), undefined, parameters));
    this.#state = afterEpoch(this.#state, event, metricsBytes, best);
    await this.save();
  }

  /** Records the conversion; its network is the best of the spiking phase until an epoch is better. */
  async recordConversion(event: ConvertedEvent, validation: { loss: number } | null): Promise<void> {
    const metricsBytes = await this.folder.appendMetric(this.#state.metricsBytes, event);
    const best: BestEpoch = {
      epoch: 0,
      accuracy: event.validationAccuracy,
      loss: validation?.loss ?? null,
      excess: excessOf(this, 'snn', event.layers),
      file: 'converted.safetensors',
    };
    await this.folder.lead(() => this.network.save(this.folder.checkpoint(best.file)));
    this.#state = afterConversion(this.#state, { convertedTestAccuracy: event.accuracy, metricsBytes }, best);
  }

  /** Goes on with other numbers of epochs, which run.json lists among the changes of the run. */
  async changeEpochs({ ann, binary, snn }: Record<Phase, number>): Promise<void> {
    const changes = { ann: { epochs: ann }, binary: { epochs: binary }, snn: { epochs: snn } };
    const changed = changeConfig(this.#config, changes);
    const info = recordChange(this.#info, changed, this.#state);
    await this.folder.writeInfo(info);
    this.#config = changed.config;
    this.#info = info;
  }

  /** Completes the record of the run. */
  async recordDone(results: DoneEvent): Promise<void> {
    await this.folder.writeInfo({ ...this.info, results });
  }

  /** Puts folder and state in order before a run continues; with `changed` under another configuration. */
  async continueRun(before: TrainConfig, changed: ChangedConfig): Promise<void> {
    const state = continueWith(this.#state, before, changed);
    this.#state = { ...state, metricsBytes: await this.folder.cutMetrics(state.metricsBytes) };
    // The checkpoint before run.json: until both have the change, the run is as it was.
    if (Object.keys(changed.set).length > 0) await this.save();
  }

  /** Begins a stage with a fresh optimiser, and records that. */
  async enter(stage: Stage): Promise<void> {
    await this.network.resetOptimizer();
    this.#state = { ...atStart(this.#state, stage), counters: this.network.counters() };
    await this.save();
  }

  /** Loads the best network of a phase, if there is one yet. A stage that is repeated may do so again. */
  async loadBest(phase: Phase): Promise<void> {
    const best = this.#state.best[phase];
    if (best !== null) await this.network.load(await this.folder.fetch(this.folder.checkpoint(best.file)));
  }

  /**
   * Loads the best ANN: that with binary activations if there is one. Returns its phase, or null if none was trained.
   */
  async loadBestAnn(): Promise<'ann' | 'binary' | null> {
    const phase = (['binary', 'ann'] as const).find((candidate) => this.#state.best[candidate] !== null) ?? null;
    if (phase !== null) await this.loadBest(phase);
    return phase;
  }

  /** Writes the last checkpoint. */
  async save(): Promise<void> {
    this.#state = { ...this.#state, ...this.time() };
    await this.folder.lead(async () => {
      await this.folder.assertHeld();
      await saveCheckpoint(this.folder.checkpoint('last.safetensors'), this.network, this.#state);
    });
  }

  /**
   * Saves what an interruption leaves, unless the ranks have lost each other; returns whether it has. The stages
   * between the phases change the network on their way and start over on resume, so that theirs is the checkpoint they
   * began with.
   */
  async saveInterrupted(): Promise<boolean> {
    if (this.folder.lost) return false;
    if (isPhase(this.#state.stage)) await this.save();
    return true;
  }

  /** The time of the run so far, that before its resumptions included. */
  time(): Elapsed {
    return addElapsed(this.#earlier, this.#elapsed());
  }

  async dispose(): Promise<void> {
    await this.#teachers.dispose();
    await this.#network.dispose();
    this.images.dispose();
  }
}

export function isAbort(error: unknown): boolean {
  return isOneSpikeError(error) && error.code === 'ERR_ABORTED';
}
