// MLflow against a server that records what comes and refuses what MLflow refuses: limits, failures, resumed runs.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Mlflow } from '../../lib/tracking/mlflow/mlflow';
import { cli, temporaryFolder, tinyConfig } from '../helpers/command-line';
import { until } from '../helpers/until';
import { writeRun } from '../pictures/support/run-folder';
import { epochs, metricsText } from '../pictures/support/runs';
import { doneOf, metricsOf } from './support/ended-run';
import { readEvents } from './support/events';
import { MlflowServer, type RecordedRun } from './support/mlflow-server';

const folder = temporaryFolder();
let server: MlflowServer;
let url: URL;
let warnings: string[];
let number = 0;
let run: string;
/** The end of a wait for what is under way already; a busy machine takes seconds over it. */
const soon = (): number => performance.now() + 20_000;

beforeEach(async () => {
  server = new MlflowServer();
  url = await server.start();
  warnings = [];
  run = join(folder, `run-${number++}`);
});
afterEach(() => server.stop());

const mlflow = (at = url, endMilliseconds = 30_000): Mlflow =>
  new Mlflow(at, { onFailure: (message) => warnings.push(message), pauseMilliseconds: 5, endMilliseconds });
const steps = ({ metrics }: RecordedRun, key: string): [number, number][] =>
  metrics.filter((metric) => metric.key === key).map(({ step, value }) => [step, value]);

test('a run with its parameters, tags, metrics, results and end', async () => {
  writeRun(run, metricsOf(2, 1));
  const tracker = mlflow();
  await tracker.begin(run);
  appendFileSync(join(run, 'metrics.jsonl'), metricsText(epochs('snn', 2).slice(1)));
  await tracker.update();
  await tracker.done(doneOf(run));
  await tracker.end('finished');
  expect(warnings).toEqual([]);
  expect([...server.experiments.keys()]).toEqual(['onespike']);
  const [recorded, ...others] = server.runs as [RecordedRun];
  expect(others).toEqual([]);
  expect(recorded).toMatchObject({ name: run.split('/').at(-1), status: 'FINISHED', endTime: expect.any(Number) });
  expect(recorded.tags).toMatchObject({ 'onespike.run': run, 'mlflow.source.name': 'onespike' });
  expect(recorded.params.get('ann.optimizer.learningRate')).toMatch(/^\d/);
  expect(recorded.params.get('dataset.name')).toBe('shapes');
  const metrics = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const losses = metrics.filter(({ event }) => event === 'epoch').map(({ trainLoss }, i) => [i + 1, trainLoss]);
  expect(steps(recorded, 'loss/train')).toEqual(losses);
  expect(steps(recorded, 'test/snn')).toEqual([[4, 0.5]]);
});

test('1,000 epochs come in requests of at most 1,000 metrics, all of them', async () => {
  writeRun(run, epochs('snn', 1000));
  const tracker = mlflow();
  await tracker.begin(run);
  await tracker.end('finished');
  expect(warnings).toEqual([]);
  expect(steps(server.runs[0]!, 'loss/train')).toEqual(
    epochs('snn', 1000).map(({ trainLoss }, i) => [i + 1, trainLoss]),
  );
  expect(server.runs[0]!.metrics.length).toBeGreaterThan(8000);
});

test('a server that fails for a while costs one warning, and gets everything when it answers', async () => {
  writeRun(run, metricsOf(2, 1));
  server.failing = { status: 503, left: 4 };
  const tracker = mlflow();
  await tracker.begin(run);
  await until(() => server.runs[0]?.metrics.length === 29, soon());
  // Now in the middle of the metrics.
  server.failing = { status: 429, left: 2 };
  appendFileSync(join(run, 'metrics.jsonl'), metricsText(epochs('snn', 3).slice(1)));
  await tracker.update();
  await until(() => steps(server.runs[0]!, 'loss/train').length >= 5, soon());
  await tracker.end('finished');
  expect(warnings).toEqual([expect.stringMatching(/status 503.*what is missing is sent when it answers/)]);
  expect(steps(server.runs[0]!, 'loss/train').map(([step]) => step)).toEqual([1, 2, 3, 4, 5]);
  expect(server.runs).toHaveLength(1);
});

test('a server that refuses is asked no more', async () => {
  writeRun(run, metricsOf(1, 1));
  server.failing = { status: 403, left: 100 };
  const tracker = mlflow();
  await tracker.begin(run);
  await until(() => warnings.length > 0, soon());
  await tracker.update();
  await tracker.done(doneOf(run));
  await tracker.end('finished');
  expect(warnings).toEqual([expect.stringMatching(/status 403.*nothing is sent any more/)]);
  expect(server.calls).toHaveLength(1);
});

test('a server that is down, or so slow that the training ends first, keeps nobody waiting', async () => {
  writeRun(run, metricsOf(1, 1));
  const down = mlflow(new URL('http://127.0.0.1:9'));
  await down.begin(run);
  await down.end('finished');
  expect(warnings).toHaveLength(1);
  server.delay = 60_000;
  const slow = mlflow(url, 500);
  const started = performance.now();
  await slow.begin(run);
  await slow.update();
  expect(performance.now() - started).toBeLessThan(1000);
  await slow.end('finished');
  expect(warnings.slice(1)).toEqual([expect.stringContaining('no answer in time')]);
  expect(performance.now() - started).toBeLessThan(10_000);
});

test('a run that was killed and resumed goes on as the same run, without a step twice', async () => {
  writeRun(run, metricsOf(2, 1));
  const first = mlflow();
  await first.begin(run);
  await first.end('killed');
  expect(server.runs[0]!.status).toBe('KILLED');
  appendFileSync(join(run, 'metrics.jsonl'), metricsText(epochs('snn', 3).slice(1)));
  const second = mlflow();
  await second.begin(run);
  await second.done(doneOf(run));
  await second.end('finished');
  expect(server.runs).toHaveLength(1);
  expect(server.runs[0]!.status).toBe('FINISHED');
  expect(steps(server.runs[0]!, 'loss/train').map(([step]) => step)).toEqual([1, 2, 3, 4, 5]);
  expect(warnings).toEqual([]);
});

test('names and passwords of the URL are sent, and not told', async () => {
  writeRun(run, metricsOf(1, 1));
  const named = new URL(url);
  [named.username, named.password] = ['me', 'p%40ss'];
  server.failing = { status: 500, left: 1 };
  const tracker = mlflow(named);
  await tracker.begin(run);
  await tracker.end('failed');
  expect([...server.authorizations]).toEqual([`Basic ${Buffer.from('me:p@ss').toString('base64')}`]);
  expect(server.runs[0]?.status ?? 'FAILED').toBe('FAILED');
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).not.toMatch(/me:|p%40|p@/);
});

test('train and resume tell TensorBoard and MLflow the same as metrics.jsonl', async () => {
  const config = join(folder, 'tiny.json');
  writeFileSync(config, JSON.stringify({ ...tinyConfig, ann: { epochs: 1 }, snn: { epochs: 1 } }));
  const flags = ['--tensorboard', join(folder, 'events'), '--mlflow', url.href];
  const trained = await cli(['train', config, '--out', run, '--json', ...flags]);
  expect([trained.status, trained.stderr]).toEqual([0, '']);
  const resumed = await cli(['resume', run, '--set', 'snn.epochs=2', '--json', ...flags]);
  expect(resumed.status).toBe(0);
  const losses = [...trained.events(), ...resumed.events()].flatMap((event) =>
    event['event'] === 'epoch' ? [event['trainLoss'] as number] : [],
  );
  const [recorded, ...others] = server.runs as [RecordedRun];
  expect([losses.length, others]).toEqual([3, []]);
  expect(steps(recorded, 'loss/train')).toEqual(losses.map((loss, i) => [i + 1, loss]));
  expect(recorded.status).toBe('FINISHED');
  const scalars = readEvents(join(folder, 'events')).filter(({ tag }) => tag === 'loss/train');
  expect(scalars.map(({ step, scalar }) => [step, scalar])).toEqual(
    losses.map((loss, i) => [i + 1, Math.fround(loss)]),
  );

  const table = (await cli(['show', run, '--csv'])).stdout
    .trim()
    .split('\n')
    .map((line) => line.split(','));
  const column = table[0]!.indexOf('loss/train');
  expect(table.slice(1).map((row) => Number(row[column]))).toEqual(losses);
  expect(table.slice(1).map((row) => row.slice(0, 3))).toEqual([
    ['1', 'ann', '1'],
    ['2', 'snn', '1'],
    ['3', 'snn', '2'],
  ]);
}, 180_000);

test.each([
  [['train', '--mlflow', 'localhost:5000'], /begins with http/],
  [['show', 'run'], /an image, or --csv/],
  [['show', 'run', 'cat.png', '--csv'], /no image beside --csv/],
])('%j is wrong usage', async (args, message) => {
  const { status, stderr } = await cli(args, { cwd: folder });
  expect([status, stderr]).toEqual([2, expect.stringMatching(message)]);
});
