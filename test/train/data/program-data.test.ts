// Training on the images of a program: arrays, streams, what a run remembers of them, and how they are asked for.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { datasets, loadRun, resume, train, type ImagePiece, type ProgramDataset, type TrainInput } from '../../../lib';
import { loadProgram } from '../../../lib/data';
import { expectError } from '../../data/support/helpers';
import { temporaryFolder, tinyConfig } from '../../helpers/command-line';
import { collect, modelBytes } from '../../helpers/runs';

const folder = temporaryFolder();
const layers = structuredClone(tinyConfig.model.layers);
const shapes = datasets.load('shapes', { trainCount: 60, testCount: 20, size: 8 });

type Given = Exclude<TrainInput, string>['dataset'];
const configOf = (name: string, dataset: Given): TrainInput =>
  ({
    ...structuredClone(tinyConfig),
    model: { ...tinyConfig.model, layers },
    dataset,
    out: join(folder, name),
  }) as unknown as TrainInput;

/** The images of a part one by one, or `size` at a time, in bytes that are used again. */
async function* pieces(
  part: 'train' | 'test',
  size = 1,
  seen: (given: number) => void = () => undefined,
): AsyncGenerator<ImagePiece> {
  const { pixels, labels, count, shape } = (await shapes)[part];
  const bytes = shape[0] * shape[1] * shape[2];
  const buffer = new Uint8Array(size * bytes);
  for (let i = 0; i < count; i += size) {
    const some = Math.min(size, count - i);
    buffer.set(pixels.subarray(i * bytes, (i + some) * bytes));
    yield size === 1
      ? { pixels: buffer, label: labels[i]! }
      : { pixels: buffer.subarray(0, some * bytes), labels: labels.subarray(i, i + some) };
    seen(i + some);
  }
}

const streamed = async (size?: number): Promise<ProgramDataset> => {
  const { shape, classes } = (await shapes).train;
  return { shape, classes, train: pieces('train', size), test: () => pieces('test', size) };
};

test('arrays, streams and a loaded data set give a run bit-identical to that of the set itself', async () => {
  const named = { name: 'shapes', trainCount: 60, testCount: 20, size: 8 } as const;
  await collect(train(configOf('named', { ...named, validation: 0.2 })));
  const { train: first, test: second } = await shapes;
  const forms: Record<string, ProgramDataset> = {
    arrays: { train: first, test: second, validation: 0.2 },
    loaded: { ...(await shapes), validation: 0.2 },
    streams: { ...(await streamed()), validation: 0.2 },
    pieces: { ...(await streamed(7)), validation: 0.2 },
  };
  for (const [name, dataset] of Object.entries(forms)) {
    const events = await collect(train(configOf(name, dataset)));
    expect(events[0]).toMatchObject({ event: 'start', dataset: name === 'loaded' ? 'shapes' : 'program' });
    const parameters = (run: string) => readFileSync(join(folder, run, 'checkpoints', 'snn-best.safetensors'));
    expect(parameters(name).equals(parameters('named'))).toBe(true);
  }
  const info = JSON.parse(readFileSync(join(folder, 'arrays', 'run.json'), 'utf8'));
  expect(info.config.dataset).toEqual({ name: 'program', validation: 0.2 });
  expect(info.dataset).toMatchObject({ name: 'program', train: 50, validation: 10, test: 20 });
});

test('a run continues with the same images again, and with no others', async () => {
  const whole = configOf('whole', await streamed());
  await collect(train(whole));
  for await (const event of train(configOf('broken', await streamed()), { progressSeconds: 0 }))
    if (event.event === 'progress' && event.step === 2) break;
  const run = join(folder, 'broken');
  await expectError(collect(resume(run)), 'ERR_ARG', /images of the data set program from the program itself/);
  const { train: first, test: second } = await shapes;
  const other = { ...first, pixels: first.pixels.map((byte) => 255 - byte) };
  await expectError(
    collect(resume(run, { dataset: { train: other, test: second } })),
    'ERR_STATE',
    /training images of program/,
  );
  await collect(resume(run, { dataset: { train: first, test: second } }));
  expect(modelBytes(run)).toBe(modelBytes(join(folder, 'whole')));
  const opened = await loadRun(run);
  await expectError(opened.dataset(), 'ERR_ARG', /from the program itself/);
  expect((await opened.dataset({ dataset: { train: first, test: second } })).warnings).toEqual([]);
  const twelve = { train: first, test: second, trainCount: 12 };
  expect((await opened.dataset({ dataset: twelve })).train.count).toBe(60);
});

describe('streams', () => {
  const shape: [number, number, number] = [1, 2, 2];
  const item = (label: number | string = 0): ImagePiece => ({ pixels: new Uint8Array(4), label });

  test('are asked for the next piece when the last one is in memory, and are left where enough is', async () => {
    const asked: number[] = [];
    let closed = false;
    async function* endless(): AsyncGenerator<ImagePiece> {
      try {
        for (let i = 0; ; i++) {
          asked.push(i);
          yield { pixels: Uint8Array.of(i, i, i, i), label: i % 2 };
        }
      } finally {
        closed = true;
      }
    }
    const { train: set } = await loadProgram({ shape, train: endless(), test: [item()], trainCount: 5 });
    expect([...set.pixels]).toEqual([0, 1, 2, 3, 4].flatMap((value) => [value, value, value, value]));
    expect([asked.length, closed, set.classes]).toEqual([5, true, ['0', '1']]);
  });

  test('hold the bytes of their images and little more', async () => {
    const size = 64 * 64 * 3;
    function* many(): Generator<ImagePiece> {
      for (let i = 0; i < 4000; i++) yield { pixels: new Uint8Array(size).fill(i), label: i % 3 };
    }
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().arrayBuffers)), 1);
    const { train: set } = await loadProgram({
      shape: [3, 64, 64],
      train: many,
      test: [{ pixels: new Uint8Array(size), label: 0 }],
    });
    clearInterval(watch);
    expect(set.pixels.length).toBe(4000 * size);
    // 49 MB of images, held once in blocks and once as a whole, and garbage of pieces.
    expect(most - before).toBeLessThan(4 * 4000 * size);
  });

  test('stop with the signal, even while they wait for ever', async () => {
    const controller = new AbortController();
    async function* stuck(): AsyncGenerator<ImagePiece> {
      yield item();
      setTimeout(() => controller.abort(), 10);
      await new Promise(() => undefined);
    }
    await expectError(
      loadProgram({ shape, train: stuck(), test: [item()] }, controller),
      'ERR_ABORTED',
      /reading dataset\.train/,
    );
    await expectError(loadProgram({ shape, train: [item()], test: [item()] }, controller), 'ERR_ABORTED');
  });

  test('pass on what they throw', async () => {
    async function* broken(): AsyncGenerator<ImagePiece> {
      yield item();
      throw new TypeError('the camera is gone');
    }
    await expect(loadProgram({ shape, train: broken(), test: [item()] })).rejects.toThrow(
      new TypeError('the camera is gone'),
    );
  });

  test('name classes, shapes and validation images in their own ways', async () => {
    const loaded = await loadProgram({
      train: { images: [{ ...item('dog'), shape }, item('cat')], classes: ['cat', 'dog'] },
      test: [item('cat')],
      validation: [item('dog'), item('dog')],
    });
    expect([...loaded.train.labels, ...loaded.test.labels]).toEqual([1, 0, 1, 1, 0]);
    expect(loaded.validation).toEqual(Uint32Array.of(2, 3));
    const sorted = await loadProgram({ shape, train: [item('owl'), item('cat')], test: [item('cat')] });
    expect(sorted.train.classes).toEqual(['cat', 'owl']);
    const clamped = { pixels: new Uint8ClampedArray([1, 2, 3, 4]), labels: [0] };
    expect([
      ...(await loadProgram({ shape, train: clamped, test: clamped, mean: [0.5], std: [0.25] })).train.pixels,
    ]).toEqual([1, 2, 3, 4]);
  });

  const image = item();
  test.each<[string, unknown, string, RegExp]>([
    ['no test part', { shape, train: [image] }, 'ERR_ARG', /dataset\.test/],
    ['an unknown key', { shape, train: [image], test: [image], tset: [] }, 'ERR_ARG', /tset/],
    ['no shape', { train: [image], test: [image] }, 'ERR_ARG', /shape of piece 0 of dataset\.train/],
    ['no image', { shape, train: [], test: [image] }, 'ERR_ARG', /at least one image for dataset\.train/],
    [
      'an array of no image',
      { shape, train: [image], test: { pixels: new Uint8Array(0), labels: [] } },
      'ERR_ARG',
      /at least one image for dataset\.test/,
    ],
    [
      'floats',
      { shape, train: [{ pixels: new Float32Array(4), label: 0 }], test: [image] },
      'ERR_ARG',
      /a Uint8Array .*Float32Array/,
    ],
    [
      'too few bytes',
      { shape, train: [{ pixels: new Uint8Array(3), label: 0 }], test: [image] },
      'ERR_SHAPE',
      /4 bytes/,
    ],
    ['a piece that is none', { shape, train: [7], test: [image] }, 'ERR_ARG', /piece 0 of dataset\.train/],
    [
      'a label that is none',
      { shape, train: [{ ...image, label: 0.5 }], test: [image] },
      'ERR_ARG',
      /label of piece 0/,
    ],
    [
      'a class beyond the list',
      { shape, classes: ['a'], train: [image], test: [item(1)] },
      'ERR_ARG',
      /label 0 of dataset\.test/,
    ],
    [
      'a name beyond the list',
      { shape, classes: ['a'], train: [item('b')], test: [image] },
      'ERR_ARG',
      /label 0 of dataset\.train/,
    ],
    [
      'other sizes',
      { train: { images: [image], shape }, test: { images: [image], shape: [1, 4, 1] } },
      'ERR_SHAPE',
      /dataset\.test/,
    ],
    [
      'fewer labels',
      { shape, train: { pixels: new Uint8Array(8), labels: [0] }, test: [image] },
      'ERR_SHAPE',
      /4 bytes/,
    ],
    [
      'rows that are none',
      { shape, train: [image], test: [image], validation: Uint32Array.of(1) },
      'ERR_ARG',
      /ascending rows/,
    ],
  ])('%s is refused, before there is a run', async (name, dataset, code, message) => {
    const out = name.replaceAll(' ', '-');
    await expectError(collect(train(configOf(out, dataset as ProgramDataset))), code, message);
    await expectError(loadRun(join(folder, out)), 'ERR_IO');
  });

  test('images beside the name of a data set are refused', async () => {
    await collect(train(configOf('by-name', { name: 'shapes', trainCount: 40, testCount: 10, size: 8 })));
    const run = await loadRun(join(folder, 'by-name'));
    await expectError(run.dataset({ dataset: await streamed() }), 'ERR_ARG', /no images beside those of 'shapes'/);
  });
});
