// The REST interface of MLflow (2.0), as far as a training needs it.

/** One request: longer than a slow server takes, shorter than anybody waits at the end. */
const TIMEOUT_MILLISECONDS = 10_000;

/** A request that failed. `final` tells that it would fail again: the server has understood and refuses. */
export class MlflowError extends Error {
  constructor(
    message: string,
    readonly final: boolean,
  ) {
    super(message);
  }
}

export interface Metric {
  key: string;
  value: number;
  step: number;
  /** Milliseconds since 1970. */
  timestamp: number;
}

export interface MlflowRun {
  info: { run_id: string };
  data?: { metrics?: Metric[]; params?: { key: string; value: string }[] };
}

export class MlflowClient {
  readonly #base: string;
  readonly #headers: Record<string, string>;
  /** Ends the request that is on its way: there is one at a time. */
  #request = new AbortController();
  #closed = false;

  /**
   * Names and passwords are those of MLflow's own clients: MLFLOW_TRACKING_TOKEN, or _USERNAME and _PASSWORD, or in the
   * URL.
   */
  constructor(url: URL, environment: NodeJS.ProcessEnv = process.env) {
    const {
      MLFLOW_TRACKING_TOKEN: token,
      MLFLOW_TRACKING_USERNAME: user,
      MLFLOW_TRACKING_PASSWORD: password,
    } = environment;
    const named =
      url.username !== '' ? [decodeURIComponent(url.username), decodeURIComponent(url.password)] : [user, password];
    const basic = `${named[0]}:${named[1] ?? ''}`;
    const authorization =
      token !== undefined
        ? `Bearer ${token}`
        : named[0] !== undefined
          ? `Basic ${Buffer.from(basic).toString('base64')}`
          : undefined;
    this.#base = `${url.origin}${url.pathname.replace(/\/+$/, '')}/api/2.0/mlflow/`;
    this.#headers = {
      'Content-Type': 'application/json',
      // Minutes lie between two epochs: a server may close an idle connection at the moment when it is used again.
      Connection: 'close',
      ...(authorization === undefined ? {} : { Authorization: authorization }),
    };
  }

  /** The number of an experiment, which is created where it is missing. Errors: MlflowError. */
  async experiment(name: string): Promise<string> {
    const found = await this.#call('GET', `experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`).catch(
      (error: unknown) => {
        if (error instanceof MlflowError && error.message.includes('RESOURCE_DOES_NOT_EXIST')) return undefined;
        throw error;
      },
    );
    if (found !== undefined) return (found['experiment'] as { experiment_id: string }).experiment_id;
    return String((await this.#call('POST', 'experiments/create', { name }))['experiment_id']);
  }

  /** The run of an experiment that has this tag. Errors: MlflowError. */
  async find(experiment: string, tag: string, value: string): Promise<MlflowRun | undefined> {
    const filter = `tags.\`${tag}\` = '${value.replaceAll("'", '')}'`;
    const found = await this.#call('POST', 'runs/search', { experiment_ids: [experiment], filter, max_results: 1 });
    return (found['runs'] as MlflowRun[] | undefined)?.[0];
  }

  /** Errors: MlflowError. */
  async create(experiment: string, name: string, tags: Record<string, string>): Promise<MlflowRun> {
    const list = Object.entries(tags).map(([key, value]) => ({ key, value }));
    const body = { experiment_id: experiment, run_name: name, start_time: Date.now(), tags: list };
    return (await this.#call('POST', 'runs/create', body))['run'] as MlflowRun;
  }

  /** Errors: MlflowError. */
  async log(run: string, what: { metrics?: Metric[]; params?: { key: string; value: string }[] }): Promise<void> {
    await this.#call('POST', 'runs/log-batch', { run_id: run, ...what });
  }

  /** Errors: MlflowError. */
  async setStatus(run: string, status: 'RUNNING' | 'FINISHED' | 'FAILED' | 'KILLED'): Promise<void> {
    await this.#call('POST', 'runs/update', {
      run_id: run,
      status,
      ...(status === 'RUNNING' ? {} : { end_time: Date.now() }),
    });
  }

  /** Ends a request that waits for its answer, and begins no other. */
  close(): void {
    this.#closed = true;
    this.#request.abort(new Error('no answer in time'));
  }

  async #call(method: 'GET' | 'POST', path: string, body?: object): Promise<Record<string, unknown>> {
    if (this.#closed) throw new MlflowError('no answer in time', true);
    let response: Response;
    let text: string;
    const request = new AbortController();
    this.#request = request;
    const late = setTimeout(() => request.abort(new Error('no answer in time')), TIMEOUT_MILLISECONDS);
    try {
      response = await fetch(this.#base + path, {
        method,
        headers: this.#headers,
        signal: request.signal,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      text = await response.text();
    } catch (error) {
      const { cause, message } = error as Error & { cause?: { code?: string; message?: string } };
      throw new MlflowError(cause?.code ?? cause?.message ?? message, false);
    } finally {
      clearTimeout(late);
    }
    if (!response.ok) {
      const { status } = response;
      const retried = status >= 500 || status === 429 || status === 408;
      throw new MlflowError(`status ${status}: ${text.replace(/\s+/g, ' ').slice(0, 200)}`, !retried);
    }
    try {
      return JSON.parse(text === '' ? '{}' : text) as Record<string, unknown>;
    } catch {
      throw new MlflowError(`an answer that is no JSON: ${text.slice(0, 40)}`, true);
    }
  }
}
