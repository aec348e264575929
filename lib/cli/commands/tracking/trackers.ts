// TensorBoard and MLflow beside a training: what goes wrong there is one warning, and the training goes on.
import { Option } from 'commander';
import { isOneSpikeError } from '../../../errors';
import { absolutePath } from '../../../io/paths';
import type { TrainEvent } from '../../../train/run/events';
import type { Tracker } from '../../../tracking/tracker';
import type { Output } from '../../output';
import { UsageError } from '../../usage';

export interface TrackerFlags {
  tensorboard?: string | undefined;
  mlflow?: string | undefined;
}

export const tensorboardOption = (): Option =>
  new Option('--tensorboard <dir>', 'write event files of TensorBoard into this folder, another one for each run');
export const mlflowOption = (): Option =>
  new Option('--mlflow <url>', 'log the run to this MLflow server').argParser(serverUrl);

function serverUrl(text: string): string {
  const { protocol = '' } = URL.canParse(text) ? new URL(text) : {};
  if (protocol === 'http:' || protocol === 'https:') return text;
  throw new UsageError(`Expected a URL that begins with http:// or https:// for --mlflow but received '${text}'`);
}

/** What follows a training. */
export class Trackers {
  #begun = false;
  #done = false;

  private constructor(
    private readonly list: { tracker: Tracker; code: string }[],
    private readonly output: Output,
  ) {}

  /**
   * Errors: ERR_STATE, ERR_IO for a folder that cannot be used: before the training begins that is a mistake to mend.
   */
  static async open(output: Output, { tensorboard, mlflow }: TrackerFlags, resumes: boolean): Promise<Trackers> {
    const list: { tracker: Tracker; code: string }[] = [];
    if (tensorboard !== undefined) {
      const { TensorBoard } = await import('../../../tracking/tensorboard/tensorboard.js');
      list.push({
        tracker: await TensorBoard.open(absolutePath(tensorboard), { resumes }),
        code: 'TENSORBOARD_FAILED',
      });
    }
    if (mlflow !== undefined) {
      const { Mlflow } = await import('../../../tracking/mlflow/mlflow.js');
      const code = 'MLFLOW_FAILED';
      const onFailure = (message: string): void => output.warn({ code, message });
      list.push({ tracker: new Mlflow(new URL(mlflow), { onFailure }), code });
    }
    return new Trackers(list, output);
  }

  async on(event: TrainEvent): Promise<void> {
    // A run that had ended before says its results alone.
    if ((event.event === 'start' || event.event === 'done') && !this.#begun) {
      this.#begun = true;
      await this.#each((tracker) => tracker.begin(event.run));
    }
    if (event.event === 'epoch' || event.event === 'converted') await this.#each((tracker) => tracker.update());
    if (event.event === 'done') {
      this.#done = true;
      await this.#each((tracker) => tracker.done(event));
    }
  }

  /** `error` has ended the training, if anything has. */
  async end(error?: unknown): Promise<void> {
    if (!this.#begun) return;
    const aborted = isOneSpikeError(error) && error.code === 'ERR_ABORTED';
    await this.#each((tracker) => tracker.end(this.#done ? 'finished' : aborted ? 'killed' : 'failed'));
  }

  /** One that fails is asked no more. */
  async #each(work: (tracker: Tracker) => Promise<void>): Promise<void> {
    for (const entry of [...this.list])
      try {
        await work(entry.tracker);
      } catch (error) {
        this.list.splice(this.list.indexOf(entry), 1);
        this.output.warn({ code: entry.code, message: `nothing more is recorded there: ${(error as Error).message}` });
      }
  }
}
