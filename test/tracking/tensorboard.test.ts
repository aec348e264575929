// Event files of TensorBoard, read by a small reader of these tests and, where there is one, by TensorBoard's own.
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, crc32c } from '../../lib/io/binary/crc';
import { decodePng } from '../../lib/data/pictures/png';
import { TensorBoard } from '../../lib/tracking/tensorboard/tensorboard';
import { temporaryFolder } from '../helpers/command-line';
import { writeRun } from '../pictures/support/run-folder';
import { epochs, metricsText } from '../pictures/support/runs';
import { doneOf, endedRun, metricsOf, spikeCounts } from './support/ended-run';
import { castagnoli, fieldsOf, readEvents } from './support/events';

const folder = temporaryFolder();
/** Names of event files hold the second: later ones come later. */
let clock = Date.now();
beforeEach(() => {
  clock += 2000;
  jest.spyOn(Date, 'now').mockImplementation(() => clock);
});
afterEach(() => jest.restoreAllMocks());

const python = ((): string | undefined => {
  for (const command of [process.env['ONESPIKE_TENSORBOARD_PYTHON'], 'python3'])
    try {
      if (command === undefined) continue;
      execFileSync(command, ['-c', 'import tensorboard.backend.event_processing.event_accumulator'], {
        stdio: 'ignore',
      });
      return command;
    } catch {
      // The next one.
    }
  return undefined;
})();
if (python === undefined)
  process.stderr.write(
    "skipped: TensorBoard's own reader (no python3 with the package tensorboard here, and ONESPIKE_TENSORBOARD_PYTHON names none)\n",
  );

/** Everything that is told of a run which ends, to a folder. */
async function record(run: string, events: string): Promise<void> {
  const board = await TensorBoard.open(events, { resumes: false });
  await board.begin(run);
  await board.done(doneOf(run));
  await board.end('finished');
}

const scalars = (events: string, tag: string): [number, number | undefined][] =>
  readEvents(events)
    .filter((each) => each.tag === tag)
    .map(({ step, scalar }) => [step, scalar]);

test('the checks are those of their descriptions', () => {
  const text = Buffer.from('123456789');
  expect([crc32(text), crc32c(text)]).toEqual([0xcbf43926, 0xe3069283]);
  const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 7919) % 256));
  expect(crc32c(bytes)).toBe(castagnoli(bytes));
});

test('scalars, one step an epoch over all phases, with the results at the last one', async () => {
  const [run, events] = [join(folder, 'run'), join(folder, 'events')];
  await endedRun(run);
  await record(run, events);
  const float = Math.fround;
  const all = [...epochs('ann', 2), ...epochs('snn', 2)];
  expect(scalars(events, 'loss/train')).toEqual(all.map(({ trainLoss }, i) => [i + 1, float(trainLoss)]));
  expect(scalars(events, 'accuracy/validation')).toEqual(
    all.map(({ validationAccuracy }, i) => [i + 1, float(validationAccuracy!)]),
  );
  expect(scalars(events, 'activity/layers.0').map(([step]) => step)).toEqual([3, 4]);
  expect(scalars(events, 'threshold/layers.2')).toEqual([[2, 2.5]]);
  expect(scalars(events, 'test/ann')).toEqual([[2, 0.75]]);
  expect(scalars(events, 'test/snn')).toEqual([[4, 0.5]]);
  for (const { wallTime } of readEvents(events)) expect(wallTime).toBe(clock / 1000);
});

test('a histogram of spike times, maps of single images, and hyperparameters with how the run ended', async () => {
  const events = readEvents(join(folder, 'events'));
  const [, ...fired] = spikeCounts;
  expect(events.find(({ tag }) => tag === 'spike_times/layers.0')!.histogram).toEqual({
    min: 0.5,
    max: 4.5,
    num: 10,
    sum: 1 + 4 + 9 + 16,
    limits: [1.5, 2.5, 3.5, 4.5],
    counts: fired,
  });
  const maps = events.filter(({ tag }) => tag.startsWith('spike_time_maps/'));
  expect(maps.map(({ tag }) => tag)).toEqual(['spike_time_maps/worst_1', 'spike_time_maps/best_1']);
  const { png, width, height } = maps[0]!.image!;
  const picture = await decodePng(png, 'the strip', 1e6);
  expect([picture!.width, picture!.height]).toEqual([width, height]);
  expect([width, height]).toEqual([3 * 128 + 2 * 8, 128]);
  const hparams = events.filter(({ plugin }) => plugin?.name === 'hparams');
  expect(hparams.map(({ tag }) => tag)).toEqual([
    '_hparams_/experiment',
    '_hparams_/session_start_info',
    '_hparams_/session_end_info',
  ]);
  const start = fieldsOf(hparams[1]!.plugin!.content.get(3)![0] as Buffer);
  const parameters = new Map(
    start.get(1)!.map((entry) => {
      const [key, value] = [1, 2].map((number) => fieldsOf(entry as Buffer).get(number)![0] as Buffer);
      return [key!.toString(), fieldsOf(value!)];
    }),
  );
  expect((parameters.get('ann.batch')!.get(2)![0] as Buffer).readDoubleLE(0)).toBe(16);
  expect(String(parameters.get('dataset.name')!.get(3)![0])).toBe('shapes');
  expect(parameters.get('ann.augment.flip')!.get(4)).toEqual([1n]);
  expect(fieldsOf(hparams[2]!.plugin!.content.get(4)![0] as Buffer).get(1)).toEqual([1n]);
});

test('a run that is resumed in the second in which it began loses nothing', async () => {
  const [run, events] = [join(folder, 'quick'), join(folder, 'quick-events')];
  writeRun(run, metricsOf(2, 1));
  await (await TensorBoard.open(events, { resumes: false })).begin(run);
  writeRun(run, metricsOf(2, 3));
  await (await TensorBoard.open(events, { resumes: true })).begin(run);
  expect(readdirSync(events)).toHaveLength(2);
  expect(scalars(events, 'loss/train').map(([step]) => step)).toEqual([1, 2, 3, 4, 5]);
});

test('a run that was killed and resumed goes on in the same folder, without a step twice', async () => {
  const [run, events] = [join(folder, 'resumed'), join(folder, 'resumed-events')];
  writeRun(run, metricsOf(2, 1));
  const first = await TensorBoard.open(events, { resumes: false });
  await first.begin(run);
  appendFileSync(join(run, 'metrics.jsonl'), metricsText(epochs('snn', 2).slice(1)));
  await first.update();
  // Killed while it wrote: the last record is torn, and the step in it is told again.
  const file = join(events, readdirSync(events)[0]!);
  truncateSync(file, statSync(file).size - 5);
  clock += 5000;
  writeRun(run, metricsOf(2, 3));
  const second = await TensorBoard.open(events, { resumes: true });
  await second.begin(run);
  await second.done(doneOf(run));
  await second.end('finished');
  // A torn file ends at its last whole record.
  truncateSync(file, wholeBytes(file));
  expect(scalars(events, 'loss/train').map(([step]) => step)).toEqual([1, 2, 3, 4, 5]);
  expect(readEvents(events).filter(({ tag }) => tag.startsWith('_hparams_/session_start'))).toHaveLength(1);
  clock += 5000;
  const third = await TensorBoard.open(events, { resumes: true });
  await third.begin(run);
  await third.done(doneOf(run));
  await third.end('finished');
  const counted = new Map<string, number>();
  for (const { tag, step } of readEvents(events))
    counted.set(`${tag} ${step}`, (counted.get(`${tag} ${step}`) ?? 0) + 1);
  expect([...counted].filter(([, count]) => count > 1)).toEqual([]);
});

/** Bytes of the whole records of a file. */
function wholeBytes(file: string): number {
  const bytes = readFileSync(file);
  let at = 0;
  while (at + 16 <= bytes.length && at + 16 + Number(bytes.readBigUInt64LE(at)) <= bytes.length)
    at += 16 + Number(bytes.readBigUInt64LE(at));
  return at;
}

test('a new run is refused the folder of another one, and a folder that cannot be made', async () => {
  await expect(TensorBoard.open(join(folder, 'events'), { resumes: false })).rejects.toMatchObject({
    code: 'ERR_STATE',
    message: expect.stringContaining('name another folder for each run'),
  });
  writeFileSync(join(folder, 'file'), '');
  await expect(TensorBoard.open(join(folder, 'file', 'x'), { resumes: false })).rejects.toMatchObject({
    code: 'ERR_IO',
  });
});

const script = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
events = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'images': 0, 'histograms': 0})
events.Reload()
tags = events.Tags()
hparams = events.summary_metadata
start = metadata.parse_session_start_info_plugin_data(hparams['_hparams_/session_start_info'].plugin_data.content)
end = metadata.parse_session_end_info_plugin_data(hparams['_hparams_/session_end_info'].plugin_data.content)
experiment = metadata.parse_experiment_plugin_data(hparams['_hparams_/experiment'].plugin_data.content)
print(json.dumps({
    'loss': [[each.step, each.value] for each in events.Scalars('loss/train')],
    'scalars': sorted(tags['scalars']),
    'histogram': [[each.step, each.histogram_value.num, list(each.histogram_value.bucket)] for each in events.Histograms('spike_times/layers.0')],
    'images': [[tag, each.width, each.height] for tag in sorted(tags['images']) for each in events.Images(tag)],
    'batch': start.hparams['ann.batch'].number_value,
    'status': end.status,
    'metrics': [each.name.tag for each in experiment.metric_infos],
}))
`;
const withTensorBoard = python === undefined ? test.skip : test;
withTensorBoard("TensorBoard's own reader finds the same", async () => {
  const [run, events] = [join(folder, 'own'), join(folder, 'own-events')];
  await endedRun(run);
  await record(run, events);
  const found = JSON.parse(execFileSync(python!, ['-W', 'ignore', '-c', script, events], { encoding: 'utf8' }));
  expect(found.loss).toEqual(scalars(events, 'loss/train'));
  expect(found.scalars).toEqual(
    [...new Set(readEvents(events).flatMap(({ tag, scalar }) => (scalar === undefined ? [] : [tag])))].sort(),
  );
  expect(found.histogram).toEqual([[4, 10, spikeCounts.slice(1)]]);
  expect(found.images).toEqual([
    ['spike_time_maps/best_1', 400, 128],
    ['spike_time_maps/worst_1', 400, 128],
  ]);
  expect(found).toMatchObject({ batch: 16, status: 1, metrics: expect.arrayContaining(['test/snn']) });
});

test('a folder that is there and empty will do', async () => {
  mkdirSync(join(folder, 'empty'));
  await TensorBoard.open(join(folder, 'empty'), { resumes: false });
  expect(readdirSync(join(folder, 'empty'))).toEqual([]);
});
