import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';

import { loadImage } from '../../lib/data';
import { fitPicture } from '../../lib/data/pictures/picture';
import { cleanUp, encodePng, expectError, netpbm, temporaryFolder } from './support/helpers';
import { pngChunk, type PngSpec } from './support/png-writer';

afterAll(cleanUp);

async function load(bytes: Uint8Array, shape: [number, number, number], name = 'picture'): Promise<number[]> {
  const path = join(temporaryFolder(), name);
  await writeFile(path, bytes);
  return [...(await loadImage(path, shape))];
}

const refused = (bytes: Uint8Array, message: RegExp): Promise<Error> =>
  expectError(load(bytes, [3, 2, 2]), 'ERR_FORMAT', message);

describe('fitPicture', () => {
  const ramp = (
    width: number,
    height: number,
    channels: 1 | 3,
  ): { width: number; height: number; channels: 1 | 3; data: Uint8Array } => ({
    width,
    height,
    channels,
    data: Uint8Array.from({ length: width * height * channels }, (_, i) => (i * 37) % 256),
  });

  test('copies exactly at the same size', () => {
    const picture = ramp(5, 4, 3);
    const out = fitPicture(picture, [3, 4, 5]);
    for (let y = 0; y < 4; y++)
      for (let x = 0; x < 5; x++)
        for (let c = 0; c < 3; c++) {
          expect(out[(c * 4 + y) * 5 + x]).toBe(picture.data[(y * 5 + x) * 3 + c]);
        }
  });

  test('keeps a constant constant, takes the centre, and converts between grey and colour', () => {
    for (const [width, height] of [
      [3, 3],
      [100, 7],
      [7, 100],
      [1, 1],
      [64, 64],
      [1, 5000],
    ] as [number, number][]) {
      const constant = { width, height, channels: 3 as const, data: new Uint8Array(width * height * 3).fill(77) };
      expect([...fitPicture(constant, [3, 6, 5])]).toEqual(Array(90).fill(77));
    }
    // Three squares side by side: the middle one is the centre.
    const data = new Uint8Array(12 * 4);
    for (let y = 0; y < 4; y++) data.set([10, 10, 10, 10, 200, 200, 200, 200, 10, 10, 10, 10], 12 * y);
    const out = fitPicture({ width: 12, height: 4, channels: 1, data }, [3, 4, 4]);
    expect([...out]).toEqual(Array(48).fill(200));
    expect([...fitPicture({ width: 1, height: 1, channels: 3, data: Uint8Array.of(255, 0, 0) }, [1, 1, 1])]).toEqual([
      76,
    ]);
    expect([...fitPicture({ width: 1, height: 1, channels: 3, data: Uint8Array.of(0, 255, 255) }, [1, 1, 1])]).toEqual([
      179,
    ]);
  });

  test('shrinking averages, enlarging interpolates', () => {
    const checks = {
      width: 64,
      height: 64,
      channels: 1 as const,
      data: Uint8Array.from({ length: 4096 }, (_, i) => ((i + (i >> 6)) & 1) * 255),
    };
    for (const value of fitPicture(checks, [1, 4, 4])) expect(Math.abs(value - 127.5)).toBeLessThan(3);
    expect([...fitPicture({ width: 2, height: 1, channels: 1, data: Uint8Array.of(0, 200) }, [1, 2, 4])]).toEqual([
      0, 50, 150, 200, 0, 50, 150, 200,
    ]);
  });
});

describe('PPM and PGM', () => {
  test('need no dependency', async () => {
    expect(await load(netpbm(2, 1, Uint8Array.of(1, 2, 3, 4, 5, 6)), [3, 1, 2])).toEqual([1, 4, 2, 5, 3, 6]);
    expect(await load(netpbm(2, 1, Uint8Array.of(9, 8)), [1, 1, 2])).toEqual([9, 8]);
    expect(await load(Buffer.concat([Buffer.from('P5 2 1 1023\n'), Buffer.from([3, 255, 0, 0])]), [1, 1, 2])).toEqual([
      255, 0,
    ]);
    expect(await load(Buffer.concat([Buffer.from('P5 2 1 15\n'), Buffer.from([15, 5])]), [1, 1, 2])).toEqual([255, 85]);
  });

  test('damaged ones are refused', async () => {
    await refused(netpbm(4, 4, new Uint8Array(48)).subarray(0, 60), /48 bytes of samples from byte \d+ of .* received/);
    await refused(Buffer.from('P6\nx 4\n255\n'), /positive width .* byte 3/);
    await refused(Buffer.from('P6\n4 0\n255\n'), /positive height/);
    await refused(Buffer.from('P6\n4 4\n70000\n'), /maximum from 1 to 65535 .* 70000/);
    await refused(Buffer.from('P6\n9000 9000\n255\n'), /at most 50000000 pixels .* 9000x9000/);
    await refused(Buffer.from('P6'), /positive width/);
    await refused(Buffer.from('P6 4 4 255'), /positive maximum/);
  });
});

describe('PNG', () => {
  const samples = (count: number, depth: number): number[] =>
    Array.from({ length: count }, (_, i) => (i * 7919 + (i >> 3) * 31) % 2 ** depth);

  test('every colour type, depth and filter', async () => {
    const [width, height] = [7, 10];
    for (const [colour, depths] of [
      [0, [1, 2, 4, 8, 16]],
      [2, [8, 16]],
      [4, [8, 16]],
      [6, [8, 16]],
    ] as [PngSpec['colour'], number[]][]) {
      for (const depth of depths) {
        const perPixel = [1, 0, 3, 0, 2, 0, 4][colour]!;
        const channels = perPixel > 2 ? 3 : 1;
        const values = samples(width * height * perPixel, depth);
        const full = 2 ** depth - 1;
        const bytes = encodePng({ width, height, depth, colour, samples: values, filterOf: (y) => y % 5, parts: 3 });
        const expected: number[] = [];
        for (let c = 0; c < channels; c++) {
          for (let p = 0; p < width * height; p++) {
            const value = Math.round((values[p * perPixel + c]! * 255) / full);
            const alpha = perPixel > channels ? values[p * perPixel + channels]! / full : 1;
            expected.push(Math.round(255 + (value - 255) * alpha));
          }
        }
        expect({ colour, depth, pixels: await load(bytes, [channels, height, width]) }).toEqual({
          colour,
          depth,
          pixels: expected,
        });
      }
    }
  });

  test('palettes and transparency', async () => {
    const palette = [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30];
    for (const depth of [2, 4, 8]) {
      const bytes = encodePng({
        width: 3,
        height: 1,
        depth,
        colour: 3,
        samples: [3, 1, 0],
        palette,
        transparency: [0],
      });
      expect(await load(bytes, [3, 1, 3])).toEqual([10, 0, 255, 20, 255, 255, 30, 0, 255]);
    }
    const keyed = encodePng({ width: 2, height: 1, depth: 8, colour: 0, samples: [5, 6], transparency: [0, 5] });
    expect(await load(keyed, [1, 1, 2])).toEqual([255, 6]);
    // Of a key the bits above the depth do not count.
    const high = encodePng({ width: 2, height: 1, depth: 8, colour: 0, samples: [5, 6], transparency: [0x33, 5] });
    expect(await load(high, [1, 1, 2])).toEqual([255, 6]);
  });

  test('damaged ones are refused', async () => {
    const good = encodePng({ width: 4, height: 4, depth: 8, colour: 2, samples: samples(48, 8) });
    expect(await load(good, [3, 4, 4])).toHaveLength(48);
    await refused(good.subarray(0, good.length - 20), /PNG chunk/);
    await refused(good.subarray(0, 8), /PNG chunk at byte 8 .* end of the file/);
    const flipped = Buffer.from(good);
    flipped[45]! ^= 1;
    await refused(flipped, /checksum at byte \d+ .* chunk at byte 33 is damaged/);
    await refused(
      encodePng({ width: 4, height: 4, depth: 3, colour: 0, samples: samples(16, 3) }),
      /header of the standard/,
    );
    await refused(
      encodePng({ width: 4, height: 3, depth: 8, colour: 2, samples: samples(36, 8), filterOf: () => 7 }),
      /filter from 0 to 4 in row 0/,
    );
    await refused(
      encodePng({ width: 2, height: 1, depth: 8, colour: 3, samples: [0, 9], palette: [1, 2, 3] }),
      /palette index below 1 .* 9/,
    );
    await refused(encodePng({ width: 2, height: 1, depth: 8, colour: 3, samples: [0, 0] }), /a palette/);
  });

  test('more or fewer pixels than the header says are refused', async () => {
    const file = (raw: Buffer, header = Buffer.from([0, 0, 0, 2, 0, 0, 0, 2, 8, 0, 0, 0, 0])): Buffer =>
      Buffer.concat([
        Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
        pngChunk('IHDR', header),
        pngChunk('IDAT', deflateSync(raw)),
        pngChunk('IEND', Buffer.alloc(0)),
      ]);
    expect(await load(file(Buffer.alloc(6)), [1, 2, 2])).toEqual([0, 0, 0, 0]);
    await refused(file(Buffer.alloc(5)), /6 bytes of pixels .* received 5/);
    await refused(file(Buffer.alloc(50_000_000)), /6 intact bytes/);
    await refused(
      file(Buffer.alloc(6), Buffer.from([0, 1, 0, 0, 0, 1, 0, 0, 8, 0, 0, 0, 0])),
      /from 1 to 50000000 pixels .* 65536x65536/,
    );
  });
});

describe('other formats', () => {
  const jpeg = Buffer.from('ffd8ffe000104a46494600', 'hex');
  afterEach(() => jest.resetModules());

  function withSharp(factory: () => unknown): typeof loadImage {
    jest.resetModules();
    jest.doMock('sharp', factory, { virtual: true });
    return (require('../../lib/data/pictures/image') as { loadImage: typeof loadImage }).loadImage;
  }

  test('without sharp the error says how to get it', async () => {
    const loader = withSharp(() => {
      throw Object.assign(new Error("Cannot find module 'sharp'"), { code: 'MODULE_NOT_FOUND' });
    });
    const path = join(temporaryFolder(), 'cat.jpg');
    await writeFile(path, jpeg);
    await expectError(loader(path, [3, 2, 2]), 'ERR_FORMAT', /cat\.jpg .* npm install sharp/);
    const interlaced = encodePng({ width: 1, height: 1, depth: 8, colour: 0, samples: [1], interlace: 1 });
    await writeFile(path, interlaced);
    await expectError(loader(path, [3, 2, 2]), 'ERR_FORMAT', /interlaced PNG.*npm install sharp/);
  });

  test('sharp decodes, and its failures are coded', async () => {
    const calls: unknown[] = [];
    const loader = withSharp(() => (input: Buffer, options: object) => {
      calls.push(options);
      const chain = {
        rotate: () => chain,
        flatten: () => chain,
        toColourspace: () => chain,
        raw: () => chain,
        toBuffer: () =>
          input.length > 11
            ? Promise.reject(new Error('Input buffer has corrupt header'))
            : Promise.resolve({ data: Buffer.from([1, 2, 3, 4, 5, 6]), info: { width: 2, height: 1, channels: 3 } }),
      };
      return chain;
    });
    const path = join(temporaryFolder(), 'cat.jpg');
    await writeFile(path, jpeg);
    expect([...(await loader(path, [3, 1, 2]))]).toEqual([1, 4, 2, 5, 3, 6]);
    expect(calls).toEqual([{ limitInputPixels: 50_000_000 }]);
    await writeFile(path, Buffer.concat([jpeg, jpeg]));
    await expectError(loader(path, [3, 1, 2]), 'ERR_FORMAT', /cat\.jpg .*corrupt header/);
  });

  test('the sharp of the project around is found by a onespike that is installed elsewhere', async () => {
    const project = temporaryFolder();
    await mkdir(join(project, 'node_modules', 'sharp'), { recursive: true });
    await writeFile(
      join(project, 'node_modules', 'sharp', 'index.js'),
      `module.exports = () => { const chain = { rotate: () => chain, flatten: () => chain, toColourspace: () => chain, raw: () => chain,
         toBuffer: async () => ({ data: Buffer.from([1, 2, 3]), info: { width: 1, height: 1, channels: 3 } }) }; return chain; };`,
    );
    await writeFile(join(project, 'cat.jpg'), jpeg);
    const image = join(__dirname, '..', '..', 'dist', 'lib', 'data', 'pictures', 'image.js');
    const script = `require(${JSON.stringify(image)}).loadImage('cat.jpg', [3, 1, 1]).then((pixels) => console.log([...pixels].join()))`;
    const { stdout } = spawnSync(process.execPath, ['-e', script], { cwd: project, encoding: 'utf8' });
    expect(stdout.trim()).toBe('1,2,3');
  });

  test('empty, missing and misused', async () => {
    await refused(Buffer.alloc(0), /empty file/);
    await expectError(loadImage('/nowhere/cat.png', [3, 2, 2]), 'ERR_IO', /\/nowhere\/cat\.png/);
    await expectError(loadImage(temporaryFolder(), [3, 2, 2]), 'ERR_IO', /regular file/);
    await expectError(loadImage('', [3, 2, 2]), 'ERR_ARG');
    await expectError(loadImage('x', [2, 2, 2]), 'ERR_ARG', /1 or 3/);
    await expectError(loadImage('x', [3, 0, 2]), 'ERR_ARG', /height/);
  });
});
