// A run as event files of TensorBoard: scalars, histograms of spike times, maps of single images, hyperparameters.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { OneSpikeError } from '../../errors';
import { makeFolder } from '../../io/folders';
import { appendAt } from '../../io/log';
import { exists } from '../../io/status';
import type { DoneEvent } from '../../train/run/events';
import { RunFolder } from '../../train/run/run-folder';
import { readTestRecord } from '../../train/run/test-record';
import type { Tracker } from '../tracker';
import { doneValues, parametersOf, RunValues, unrecorded, type Recorded, type StepValues } from '../values';
import {
  experimentValue,
  histogramValue,
  imageValue,
  scalarValue,
  sessionEndValue,
  sessionStartValue,
  summaryEvent,
  versionEvent,
  type SummaryValue,
} from './event';
import { eventFiles, recordedIn } from './recorded';
import { strip } from './strip';

/** Results in the table of hyperparameters. */
const results = ['test/snn', 'test/ann', 'test/energy_ratio', 'accuracy/validation'];

const stripDescription =
  'The image, then the spike times of each layer: the brighter, the earlier; black never fires. Of a convolution the nine channels are shown that differ most.';

export class TensorBoard implements Tracker {
  readonly #file: string;
  #length = 0;
  #values: RunValues | undefined;
  #recorded: Recorded = new Map();
  #folder: RunFolder | undefined;

  private constructor(
    private readonly directory: string,
    existing: readonly string[],
  ) {
    // A run that is resumed in the second in which it began, by the same process, has a file of its own as well.
    let seconds = Math.floor(Date.now() / 1000);
    const path = (): string => join(directory, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.onespike`);
    while (existing.includes(path())) seconds++;
    this.#file = path();
  }

  /**
   * Prepares the folder, for a run that `resumes` or one that begins.
   * Errors: ERR_STATE for a new run in the folder of another one, whose curves TensorBoard would mix; ERR_IO.
   */
  static async open(directory: string, { resumes }: { resumes: boolean }): Promise<TensorBoard> {
    await makeFolder(directory);
    const files = await eventFiles(directory);
    if (files.length > 0 && !resumes)
      throw new OneSpikeError(
        'ERR_STATE',
        `Expected a folder without event files for tensorboard but ${directory} holds those of another run; name another folder for each run`,
      );
    return new TensorBoard(directory, files);
  }

  async begin(run: string): Promise<void> {
    this.#folder = new RunFolder(run);
    this.#values = new RunValues(run);
    this.#recorded = await recordedIn(await eventFiles(this.directory));
    await this.#append(versionEvent(now()));
    if (!this.#recorded.has('_hparams_/session_start_info')) {
      const { config } = await this.#folder.readInfo();
      const parameters = parametersOf(config);
      await this.#summary(0, [experimentValue(parameters, results), sessionStartValue(parameters, now())]);
    }
    await this.update();
  }

  async update(): Promise<void> {
    for await (const moments of this.#values!.fresh()) for (const moment of moments) await this.#scalars(moment);
  }

  async done(event: DoneEvent): Promise<void> {
    await this.update();
    const { step } = this.#values!;
    if (await this.#scalars({ step, values: doneValues(event) })) await this.#pictures(step);
  }

  /** Only a run that has ended well is closed: of another one a resumed run says how it ended. */
  async end(status: 'finished' | 'failed' | 'killed'): Promise<void> {
    if (status === 'finished' && !this.#recorded.has('_hparams_/session_end_info'))
      await this.#summary(this.#values?.step ?? 0, [sessionEndValue(now())]);
  }

  async #pictures(step: number): Promise<void> {
    const { testPath } = this.#folder!;
    if (!(await exists(testPath))) return;
    const { times, worst, best, input, classes } = await readTestRecord(testPath);
    const { network } = await this.#folder!.readInfo();
    const named = (kind: string, list: typeof worst): SummaryValue[] =>
      list.flatMap((example, i) =>
        example.maps.length === 0
          ? []
          : [
              imageValue(
                `spike_time_maps/${kind}_${i + 1}`,
                strip(example, input, network.timesteps),
                `${classes[example.label]}, test image ${example.row}. ${stripDescription}`,
              ),
            ],
      );
    await this.#summary(step, [
      ...times.map(({ layer, counts }) => histogramValue(`spike_times/layers.${layer}`, counts)),
      ...named('worst', worst),
      ...named('best', best),
    ]);
  }

  /** Writes what is not recorded yet, and tells whether that is anything. */
  async #scalars(moment: StepValues): Promise<boolean> {
    const fresh = unrecorded(moment, this.#recorded);
    await this.#summary(
      moment.step,
      fresh.map(([tag, value]) => scalarValue(tag, value)),
    );
    return fresh.length > 0;
  }

  async #summary(step: number, values: readonly SummaryValue[]): Promise<void> {
    if (values.length > 0) await this.#append(summaryEvent(now(), step, values));
  }

  async #append(bytes: Buffer): Promise<void> {
    this.#length = await appendAt(this.#file, this.#length, bytes);
  }
}

const now = (): number => Date.now() / 1000;
