// A run in MLflow. Nothing waits for the server: metrics are read from metrics.jsonl when it can take them, so that one
// that is down or slow costs neither time nor memory.
import { userInfo } from 'node:os';
import { basename } from 'node:path';
import type { DoneEvent } from '../../train/run/events';
import { RunFolder, type RunInfo } from '../../train/run/run-folder';
import type { Tracker } from '../tracker';
import { doneValues, parametersOf, RunValues, unrecorded, type Recorded, type StepValues } from '../values';
import { MlflowClient, MlflowError, type Metric } from './client';

/** Limits of one request of MLflow. */
const MOST_METRICS = 1000;
const MOST_PARAMETERS = 100;
const LONGEST_VALUE = 500;

export interface MlflowOptions {
  /** Is called once, at the first failure. */
  onFailure: (message: string) => void;
  /** Between two attempts at first; each pause is twice as long as the last, up to a minute. */
  pauseMilliseconds?: number;
  /** How long the end of the training waits for the server. */
  endMilliseconds?: number;
}

const LONGEST_PAUSE = 60_000;
const runTag = 'onespike.id';

export class Mlflow implements Tracker {
  readonly #client: MlflowClient;
  readonly #url: string;
  readonly #options: Required<MlflowOptions>;
  #values: RunValues | undefined;
  #info: RunInfo | undefined;
  #path = '';
  #run: string | undefined;
  #recorded: Recorded = new Map();
  /** What was read and has not arrived: at most the metrics of one read of the file. */
  #pending: Metric[] = [];
  #results: DoneEvent | undefined;
  #status: 'FINISHED' | 'FAILED' | 'KILLED' | undefined;
  #sending: Promise<void> | undefined;
  #again = false;
  #pause: number;
  #timer: NodeJS.Timeout | undefined;
  #failed = false;
  #refused = false;
  #closing = false;

  constructor(url: URL, { onFailure, pauseMilliseconds = 1000, endMilliseconds = 10_000 }: MlflowOptions) {
    this.#client = new MlflowClient(url);
    this.#url = url.origin + url.pathname;
    this.#options = { onFailure, pauseMilliseconds, endMilliseconds };
    this.#pause = pauseMilliseconds;
  }

  async begin(run: string): Promise<void> {
    this.#path = run;
    this.#info = await new RunFolder(run).readInfo();
    this.#values = new RunValues(run);
    this.#kick();
  }

  async update(): Promise<void> {
    this.#kick();
  }

  async done(event: DoneEvent): Promise<void> {
    this.#results = event;
    this.#kick();
  }

  /** Gives the server a last chance. */
  async end(status: 'finished' | 'failed' | 'killed'): Promise<void> {
    if (this.#values === undefined || this.#refused) return;
    this.#closing = true;
    this.#status = ({ finished: 'FINISHED', failed: 'FAILED', killed: 'KILLED' } as const)[status];
    let late: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      late = setTimeout(resolve, this.#options.endMilliseconds);
    });
    // What is being sent may have been begun without the status.
    const rest = (async (): Promise<void> => {
      await this.#sending;
      clearTimeout(this.#timer);
      await this.#attempt();
    })();
    await Promise.race([rest, deadline.then(() => this.#client.close())]);
    clearTimeout(late);
    clearTimeout(this.#timer);
    await rest;
  }

  /** Begins to send, unless that goes on already. */
  #kick(): void {
    if (this.#refused || this.#closing) return;
    if (this.#sending !== undefined || this.#timer !== undefined) {
      this.#again = true;
      return;
    }
    this.#sending = this.#attempt().finally(() => {
      this.#sending = undefined;
      if (this.#again && this.#timer === undefined) {
        this.#again = false;
        this.#kick();
      }
    });
  }

  async #attempt(): Promise<void> {
    try {
      await this.#send();
      this.#pause = this.#options.pauseMilliseconds;
    } catch (error) {
      const { message } = error as Error;
      this.#refused = !(error instanceof MlflowError) || error.final;
      if (!this.#failed) {
        this.#failed = true;
        const outlook = this.#refused ? 'nothing is sent any more' : 'what is missing is sent when it answers';
        this.#options.onFailure(`MLflow at ${this.#url} has not taken the run (${message}); ${outlook}`);
      }
      if (this.#refused || this.#status !== undefined) return;
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#kick();
      }, this.#pause);
      this.#timer.unref();
      this.#pause = Math.min(LONGEST_PAUSE, 2 * this.#pause);
    }
  }

  /** Sends everything that there is. */
  async #send(): Promise<void> {
    this.#run ??= await this.#connect();
    await this.#flush();
    for await (const moments of this.#values!.fresh()) {
      for (const moment of moments) this.#add(moment);
      await this.#flush();
    }
    if (this.#results !== undefined) {
      this.#add({ step: this.#values!.step, values: doneValues(this.#results) });
      this.#results = undefined;
      await this.#flush();
    }
    if (this.#status !== undefined) await this.#client.setStatus(this.#run, this.#status);
  }

  /** Finds the run, as a resumed one does, or creates it with its parameters. */
  async #connect(): Promise<string> {
    const info = this.#info!;
    const client = this.#client;
    const experiment = await client.experiment(process.env['MLFLOW_EXPERIMENT_NAME'] ?? 'onespike');
    const id = `${info.created} ${info.host.name} ${info.seed}`;
    const found = await client.find(experiment, runTag, id);
    if (found !== undefined) {
      for (const { key, step } of found.data?.metrics ?? []) this.#recorded.set(key, Number(step));
      await client.setStatus(found.info.run_id, 'RUNNING');
    }
    const run = found ?? (await client.create(experiment, basename(this.#path), tagsOf(info, id, this.#path)));
    // The first configuration stands: MLflow refuses other values.
    if ((run.data?.params ?? []).length > 0) return run.info.run_id;
    const params = parametersOf(info.config).map(([key, value]) => ({
      key,
      value: String(value).slice(0, LONGEST_VALUE),
    }));
    for (let at = 0; at < params.length; at += MOST_PARAMETERS)
      await client.log(run.info.run_id, { params: params.slice(at, at + MOST_PARAMETERS) });
    return run.info.run_id;
  }

  #add(moment: StepValues): void {
    const timestamp = Date.now();
    for (const [key, value] of unrecorded(moment, this.#recorded))
      this.#pending.push({ key, value, step: moment.step, timestamp });
  }

  /** A metric is forgotten when it has arrived; sent twice it is the same one to MLflow. */
  async #flush(): Promise<void> {
    while (this.#pending.length > 0) {
      const metrics = this.#pending.slice(0, MOST_METRICS);
      await this.#client.log(this.#run!, { metrics });
      this.#pending = this.#pending.slice(metrics.length);
    }
  }
}

function tagsOf(info: RunInfo, id: string, path: string): Record<string, string> {
  return {
    [runTag]: id,
    'onespike.run': path,
    'onespike.version': info.version,
    'onespike.backend': info.backend,
    'onespike.host': info.host.name,
    'mlflow.source.name': 'onespike',
    'mlflow.source.type': 'LOCAL',
    'mlflow.user': userName(),
  };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return ''; // a user without an entry in passwd, as in containers
  }
}
