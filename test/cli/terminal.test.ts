import { listenForInterrupt } from '../../lib/cli/interrupt';
import { Output, type Streams } from '../../lib/cli/output';
import { bar, compact, duration, paintFor, percent, table, visibleWidth } from '../../lib/cli/style';
import { TrainView } from '../../lib/cli/train-view';
import type { ProgressEvent } from '../../lib/train/run/events';

function streams(columns: number | undefined): Streams & { text: () => string } {
  let text = '';
  const stdout = { isTTY: columns !== undefined, columns, write: (chunk: string) => (text += chunk) };
  return { stdout, stderr: { write: (chunk: string) => (text += chunk) }, text: () => text } as unknown as Streams & {
    text: () => string;
  };
}

const progress: ProgressEvent = {
  event: 'progress',
  phase: 'snn',
  activity: 'train',
  epoch: 2,
  epochs: 4,
  step: 50,
  steps: 100,
  images: 1600,
  imagesPerSecond: 800,
  loss: 0.51234,
  accuracy: 0.8125,
  spikesPerNeuron: 0.1234,
};

describe('the live line', () => {
  test('shows phase, epoch, bar, rate, loss, accuracy, spikes and time left', () => {
    const out = streams(200);
    new TrainView(new Output(false, out)).show(progress);
    const line = out.text();
    for (const part of [
      'snn',
      '2/4',
      '████████░░░░░░░░',
      '800 img/s',
      'loss 0.512',
      '81.3 %',
      '0.123 spikes/neuron',
      '10 s left',
    ])
      expect(line).toContain(part);
    expect(line.startsWith('\r\x1b[2K')).toBe(true);
  });

  test('keeps the numbers on a terminal of 80 columns', () => {
    const out = streams(80);
    new TrainView(new Output(false, out)).show(progress);
    for (const part of [' 2/4  ███░░░  ', '0.123 spikes/neuron', '10 s left']) expect(out.text()).toContain(part);
  });

  test.each([20, 40, 79])('never reaches the edge of %i columns', (columns) => {
    const out = streams(columns);
    new TrainView(new Output(false, out)).show(progress);
    expect(visibleWidth(out.text().replace('\r', ''))).toBeLessThan(columns);
  });

  test('gives way to whole lines', () => {
    const out = streams(80);
    const output = new Output(false, out);
    output.status('working');
    output.line('done');
    expect(out.text()).toBe('\r\x1b[2Kworking\r\x1b[2Kdone\n');
  });

  test('without a terminal it is a line of its own after a minute of silence, and never in JSON', () => {
    jest.useFakeTimers();
    try {
      for (const [json, wanted] of [
        [false, 'epoch\nworking\nworking\n'],
        [true, ''],
      ] as const) {
        const out = streams(undefined);
        const output = new Output(json, out);
        jest.advanceTimersByTime(59_000);
        output.line('epoch');
        for (let seconds = 0; seconds < 150; seconds += 5) {
          output.status('working');
          jest.advanceTimersByTime(5000);
        }
        expect(out.text()).toBe(wanted);
      }
    } finally {
      jest.useRealTimers();
    }
  });

  test('is absent without a terminal and in JSON', () => {
    for (const [json, columns] of [
      [false, undefined],
      [true, 80],
    ] as const) {
      const out = streams(columns);
      new TrainView(new Output(json, out)).show(progress);
      expect(out.text()).toBe('');
    }
  });
});

test('JSON mode prints events only, one a line', () => {
  const out = streams(undefined);
  const output = new Output(true, out);
  output.line('for people');
  output.event({ event: 'x' });
  expect(out.text()).toBe('{"event":"x"}\n');
});

test('colours follow terminal, NO_COLOR and FORCE_COLOR', () => {
  const paint = (isTTY: boolean, env: Record<string, string>) => paintFor({ isTTY }, env)('red', 'x') !== 'x';
  expect(paint(true, {})).toBe(true);
  expect(paint(false, {})).toBe(false);
  expect(paint(true, { NO_COLOR: '1' })).toBe(false);
  expect(paint(true, { NO_COLOR: '' })).toBe(true);
  expect(paint(false, { FORCE_COLOR: '1' })).toBe(true);
  expect(paint(true, { TERM: 'dumb' })).toBe(false);
});

test('numbers as people read them', () => {
  expect([percent(0.8734), percent(0.5, 2), percent(null)]).toEqual(['87.3 %', '50.00 %', '–']);
  expect([compact(1234567), compact(45600), compact(789), compact(12.345), compact(3)]).toEqual([
    '1.23 M',
    '45.6 k',
    '789',
    '12.3',
    '3',
  ]);
  expect([duration(12), duration(184), duration(7500), duration(-1)]).toEqual([
    '12 s',
    '3 min 04 s',
    '2 h 05 min',
    '0 s',
  ]);
  expect([bar(0, 4), bar(0.5, 4), bar(2, 4)]).toEqual(['░░░░', '██░░', '████']);
  expect(
    table([
      ['a', '1'],
      ['long', '\x1b[1m23\x1b[22m'],
    ]),
  ).toBe('a      1\nlong  \x1b[1m23\x1b[22m');
});

describe('interrupts', () => {
  test('the first aborts, an echo is ignored, a later second leaves at once', () => {
    const exit = jest.spyOn(process, 'exit').mockImplementation((() => undefined) as never);
    const now = jest.spyOn(performance, 'now');
    const { signal, release } = listenForInterrupt(new Output(true, streams(undefined)));
    try {
      now.mockReturnValue(1000);
      process.emit('SIGINT');
      expect(signal.aborted).toBe(true);
      now.mockReturnValue(1010);
      process.emit('SIGINT');
      expect(exit).not.toHaveBeenCalled();
      now.mockReturnValue(2000);
      process.emit('SIGTERM');
      expect(exit).toHaveBeenCalledWith(130);
    } finally {
      release();
      exit.mockRestore();
      now.mockRestore();
    }
  });

  test.each([
    [undefined, 'Stopping; interrupt again to leave at once without saving.\n'],
    ['Stopping.', 'Stopping.\n'],
    [null, ''], // a process below another one, which says it
  ])('a person is told %j as %j', (advice, told) => {
    const to = streams(undefined);
    const { signal, release } = listenForInterrupt(new Output(true, to), advice);
    process.emit('SIGINT');
    release();
    expect([signal.aborted, to.text()]).toEqual([true, told]);
  });
});
