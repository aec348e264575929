// MLflow's own server, asked by MLflow's own client what a training and its resumption have told it.
// ONESPIKE_MLFLOW_PYTHON names an interpreter that has mlflow; python3 otherwise.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parametersOf } from '../../lib/tracking/values';
import { cli, temporaryFolder, tinyConfig } from '../helpers/command-line';
import { until } from '../helpers/until';

const python = process.env['ONESPIKE_MLFLOW_PYTHON'] ?? 'python3';
const present = ((): boolean => {
  try {
    execFileSync(python, ['-c', 'import mlflow.server'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
if (!present)
  process.stderr.write(
    `skipped: a server of MLflow (${python} has no package mlflow, and ONESPIKE_MLFLOW_PYTHON names no other)\n`,
  );

/** What MLflow's client finds in the experiment. */
const script = `
import json, sys
from mlflow.tracking import MlflowClient
client = MlflowClient(sys.argv[1])
experiment = client.get_experiment_by_name('onespike')
runs = client.search_runs([experiment.experiment_id])
print(json.dumps([{
    'name': run.info.run_name, 'status': run.info.status, 'ended': run.info.end_time is not None,
    'params': run.data.params, 'tags': run.data.tags,
    'metrics': {key: [[each.step, each.value] for each in client.get_metric_history(run.info.run_id, key)]
                for key in run.data.metrics},
} for run in runs]))
`;

interface Found {
  name: string;
  status: string;
  ended: boolean;
  params: Record<string, string>;
  tags: Record<string, string>;
  metrics: Record<string, [step: number, value: number][]>;
}

const folder = temporaryFolder();
let server: ChildProcess | undefined;
let url = '';

/** A port that is free now. */
async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

const answers = (): Promise<boolean> =>
  fetch(`${url}/health`).then(
    ({ ok }) => ok,
    () => false,
  );

async function startServer(): Promise<void> {
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const options = [
    ...['--host', '127.0.0.1', '--port', String(port), '--workers', '1'],
    ...['--backend-store-uri', `sqlite:///${join(folder, 'mlflow.db')}`],
    ...['--artifacts-destination', join(folder, 'artifacts')],
  ];
  // A group of its own: the command starts the server as a child.
  server = spawn(python, ['-m', 'mlflow', 'server', ...options], { cwd: folder, stdio: 'ignore', detached: true });
  // It makes its database first.
  expect(await until(answers, performance.now() + 240_000)).toBe(true);
}

afterAll(() => {
  if (server?.pid !== undefined) process.kill(-server.pid, 'SIGKILL');
});

const found = (): Found[] =>
  JSON.parse(execFileSync(python, ['-W', 'ignore', '-c', script, url], { encoding: 'utf8' })) as Found[];

(present ? test : test.skip)(
  "MLflow's client finds what metrics.jsonl holds, once, and the end of the run",
  async () => {
    await startServer();
    const config = join(folder, 'tiny.json');
    const run = join(folder, 'run');
    writeFileSync(config, JSON.stringify({ ...tinyConfig, ann: { epochs: 1 }, snn: { epochs: 1 } }));
    const trained = await cli(['train', config, '--out', run, '--json', '--mlflow', url]);
    expect([trained.status, trained.stderr]).toEqual([0, '']);
    const [first, ...others] = found() as [Found];
    expect(others).toEqual([]);
    expect(first).toMatchObject({ name: 'run', status: 'FINISHED', ended: true });
    const resumed = await cli(['resume', run, '--set', 'snn.epochs=2', '--json', '--mlflow', url]);
    expect([resumed.status, resumed.stderr]).toEqual([0, '']);
    const [recorded, ...more] = found() as [Found];
    expect(more).toEqual([]);
    expect(recorded).toMatchObject({ name: 'run', status: 'FINISHED', ended: true });
    expect(recorded.tags).toMatchObject({ 'onespike.run': run, 'mlflow.source.name': 'onespike' });

    const info = JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')) as { config: object };
    const parameters = Object.fromEntries(parametersOf(info.config).map(([key, value]) => [key, String(value)]));
    // Those of the first configuration stand.
    expect(recorded.params).toEqual({ ...parameters, 'snn.epochs': '1' });

    const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
    const events = lines.map((line) => JSON.parse(line) as Record<string, any>);
    const epochs = events.filter(({ event }) => event === 'epoch');
    expect(epochs).toHaveLength(3);
    const column = (key: string): [number, number][] => epochs.map((epoch, i) => [i + 1, epoch[key] as number]);
    expect(recorded.metrics['loss/train']).toEqual(column('trainLoss'));
    expect(recorded.metrics['loss/validation']).toEqual(column('validationLoss'));
    expect(recorded.metrics['accuracy/train']).toEqual(column('trainAccuracy'));
    expect(recorded.metrics['accuracy/validation']).toEqual(column('validationAccuracy'));
    expect(recorded.metrics['learning_rate']).toEqual(column('learningRate'));
    const spiking = epochs.flatMap(({ phase, layers }, i) =>
      phase === 'snn' ? [[i + 1, (layers as { spikesPerNeuron: number }[])[0]!.spikesPerNeuron]] : [],
    );
    expect(recorded.metrics['activity/layers.0']).toEqual(spiking);
    const converted = events.find(({ event }) => event === 'converted')!;
    expect(recorded.metrics['test/converted']).toEqual([[1, converted['accuracy']]]);
    const done = [trained, resumed].map(({ events: printed }) => printed().find(({ event }) => event === 'done')!);
    expect(recorded.metrics['test/snn']).toEqual(done.map(({ snn }, i) => [i + 2, snn.testAccuracy]));
  },
  600_000,
);
