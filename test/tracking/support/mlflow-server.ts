// What a server of MLflow answers, with its limits and refusals, as far as its REST interface is used here.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';

interface Metric {
  key: string;
  value: number;
  step: number;
  timestamp: number;
}

export interface RecordedRun {
  id: string;
  name: string;
  status: string;
  endTime: number | undefined;
  tags: Record<string, string>;
  params: Map<string, string>;
  metrics: Metric[];
}

export class MlflowServer {
  readonly experiments = new Map<string, string>();
  readonly runs: RecordedRun[] = [];
  /** Every request that came: method and path. */
  readonly calls: string[] = [];
  readonly authorizations = new Set<string | undefined>();
  /** Requests that are refused with this status before others are answered. */
  failing: { status: number; left: number } = { status: 503, left: 0 };
  /** How long an answer takes, in milliseconds. */
  delay = 0;
  #server: Server;

  constructor() {
    this.#server = createServer(async (request, response) => {
      const url = new URL(request.url!, 'http://localhost');
      const call = `${request.method} ${url.pathname.replace('/api/2.0/mlflow/', '')}`;
      this.calls.push(call);
      this.authorizations.add(request.headers.authorization);
      const body = await text(request);
      await setTimeout(this.delay, undefined, { ref: false });
      const { status, answer } = this.#refused() ?? this.#answer(call, url, body === '' ? {} : JSON.parse(body));
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer));
    });
  }

  async start(): Promise<URL> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #refused(): { status: number; answer: object } | undefined {
    if (this.failing.left === 0) return undefined;
    this.failing.left--;
    return { status: this.failing.status, answer: { error_code: 'REFUSED', message: 'for the test' } };
  }

  #answer(call: string, url: URL, body: Record<string, any>): { status: number; answer: object } {
    const run = this.runs.find(({ id }) => id === body['run_id'])!;
    switch (call) {
      case 'GET experiments/get-by-name': {
        const id = this.experiments.get(url.searchParams.get('experiment_name')!);
        if (id !== undefined) return ok({ experiment: { experiment_id: id } });
        return { status: 404, answer: { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'No Experiment' } };
      }
      case 'POST experiments/create':
        this.experiments.set(body['name'], String(this.experiments.size + 1));
        return ok({ experiment_id: this.experiments.get(body['name']) });
      case 'POST runs/search': {
        const [, tag, value] = /^tags\.`([^`]+)` = '([^']*)'$/.exec(body['filter'])!;
        const found = this.runs.filter(({ tags }) => tags[tag!] === value);
        return ok(found.length === 0 ? {} : { runs: found.map(described) });
      }
      case 'POST runs/create': {
        const tags = Object.fromEntries(body['tags'].map(({ key, value }: Record<string, string>) => [key, value]));
        const fresh: RecordedRun = {
          id: `run${this.runs.length + 1}`,
          name: body['run_name'],
          status: 'RUNNING',
          endTime: undefined,
          tags,
          params: new Map(),
          metrics: [],
        };
        this.runs.push(fresh);
        return ok({ run: described(fresh) });
      }
      case 'POST runs/log-batch': {
        const { metrics = [], params = [] } = body as { metrics?: Metric[]; params?: { key: string; value: string }[] };
        if (metrics.length > 1000 || params.length > 100) return refusedFor('too many at a time');
        for (const { key, value } of params) {
          if ((run.params.get(key) ?? value) !== value) return refusedFor(`another value of ${key}`);
          if (value.length > 6000) return refusedFor('too long');
          run.params.set(key, value);
        }
        run.metrics.push(...metrics);
        return ok({});
      }
      case 'POST runs/update':
        run.status = body['status'];
        run.endTime = body['end_time'];
        return ok({ run_info: { run_id: run.id } });
      default:
        return { status: 404, answer: { error_code: 'ENDPOINT_NOT_FOUND' } };
    }
  }
}

const ok = (answer: object): { status: number; answer: object } => ({ status: 200, answer });
const refusedFor = (message: string): { status: number; answer: object } => ({
  status: 400,
  answer: { error_code: 'INVALID_PARAMETER_VALUE', message },
});

/** As a search answers: of each metric the last value. */
function described({ id, params, metrics }: RecordedRun): object {
  const last = new Map(metrics.map((metric) => [metric.key, metric]));
  return {
    info: { run_id: id },
    data: { metrics: [...last.values()], params: [...params].map(([key, value]) => ({ key, value })) },
  };
}
