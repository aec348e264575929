// One picture through a network: maps in a terminal, with and without colours, as a file, and the numbers as JSON.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digits, halfBlocks } from '../../lib/pictures/draw/blocks';
import { mapPicture } from '../../lib/pictures/draw/map-picture';
import { loadRun } from '../../lib';
import { loadImage } from '../../lib/data';
import { cli, cliProcess, temporaryFolder, tinyConfig } from '../helpers/command-line';

describe('maps', () => {
  test('show the channels that differ most, side by side, with a gap', () => {
    // Three channels of 2 x 2: silent, one step alone, both steps.
    const times = Uint8Array.of(0, 0, 0, 0, 1, 1, 1, 0, 1, 2, 0, 2);
    const picture = mapPicture(times, [3, 2, 2], 2, { most: 2, columns: 2 });
    expect([picture.width, picture.height]).toEqual([5, 2]);
    expect(digits(picture)).toEqual(['11 12', '1. .2']);
  });

  test('show a flat layer in rows', () => {
    expect(digits(mapPicture(Uint8Array.of(1, 0, 3, 4, 0), [5], 4, { most: 1, columns: 1, width: 3 }))).toEqual([
      '1.3',
      '4.',
    ]);
  });

  test('join two rows of neurons in one of half blocks, in the colours of their steps', () => {
    const picture = mapPicture(Uint8Array.of(1, 2, 0), [3, 1, 1], 2, { most: 3, columns: 3 });
    const tall = { ...picture, indices: Uint8Array.of(1, 2, 0, 4), width: 1, height: 4 };
    const [first, second] = halfBlocks(tall);
    const rgb = (index: number): string => tall.palette[index]!.join(';');
    expect(first).toBe(`\x1b[38;2;${rgb(1)}m\x1b[48;2;${rgb(2)}m▀\x1b[0m`);
    // The lower neuron of the second line is none: the colour of the terminal.
    expect(second).toBe(`\x1b[38;2;${rgb(0)}m\x1b[49m▀\x1b[0m`);
  });

  test('of many steps share colours', () => {
    const { indices, palette } = mapPicture(Uint8Array.of(0, 1, 255, 128), [4], 255);
    expect([...indices]).toEqual([0, 1, 64, 32]);
    expect(palette).toHaveLength(1 + 64 + 2);
  });
});

describe('onespike show', () => {
  const folder = temporaryFolder();
  const run = join(folder, 'run');
  const image = join(folder, 'picture.ppm');

  beforeAll(async () => {
    const config = join(folder, 'tiny.json');
    writeFileSync(config, JSON.stringify(tinyConfig));
    const pixels = Buffer.from(Array.from({ length: 32 * 32 * 3 }, (_, i) => (i * 37) % 256));
    writeFileSync(image, Buffer.concat([Buffer.from('P6 32 32 255\n'), pixels]));
    await cli(['train', config, '--out', run]);
  });

  test('says what predict says, and what each layer did', async () => {
    const file = join(folder, 'maps.svg');
    const { status, events } = await cli(['show', run, image, '--json', '-o', file]);
    expect(status).toBe(0);
    const [shown] = events() as [Record<string, any>];
    const [predicted] = (await cli(['predict', run, image, '--json'])).events();
    for (const key of ['class', 'label', 'step', 'timesteps']) expect(shown[key]).toBe(predicted![key]);
    expect(shown['probability']).toBeCloseTo(predicted!['probability'], 6);
    expect(shown['answers']).toHaveLength(tinyConfig.model.timesteps);
    expect(shown['answers'].at(-1)).toBe(shown['class']);

    const loaded = await loadRun(run);
    const network = await loaded.network({ backend: 'cpu' });
    const { spikeTimes } = await network.forward(await loadImage(image, [3, 32, 32]), { trace: true });
    await network.dispose();
    for (const { layer, neurons, spikesPerNeuron, meanStep } of shown['layers']) {
      const fired = spikeTimes!.get(layer)!.filter((time) => time > 0 && time <= tinyConfig.model.timesteps);
      expect(neurons).toBe(spikeTimes!.get(layer)!.length);
      expect(spikesPerNeuron).toBe(fired.length / neurons);
      expect(meanStep).toBe(fired.length === 0 ? null : fired.reduce((sum, time) => sum + time, 0) / fired.length);
    }
    expect(shown['file']).toBe(file);
    expect(readFileSync(file, 'utf8')).toMatch(/^<svg [^]*picture\.ppm: [^]*<\/svg>\n$/);
  });

  test('prints digits without colours and half blocks with them', async () => {
    const plain = (await cliProcess(['show', run, image], { env: { NO_COLOR: '1' } })).stdout;
    expect(plain).toMatch(/^0 conv {2}\d+\.\d % fire\n[.1-4 ]+\n/);
    expect(plain).not.toContain('\x1b');
    expect(plain).toMatch(/Answer after each step: .*; decided at step \d of 4\.\n$/);
    const coloured = (await cliProcess(['show', run, image], { env: { FORCE_COLOR: '1', NO_COLOR: '' } })).stdout;
    expect(coloured).toContain('▀');
    expect(coloured).toMatch(/step of the spike .* 4 .* never/);
  });

  test.each([
    [['--theme', 'grey'], 2, /'light', 'dark'/],
    [['-o', 'maps.jpg'], 2, /ends in \.svg or \.png/],
    [['-o', 'maps.png'], 1, /npm install sharp/],
    [['-o', '/nowhere/maps.svg'], 1, /ERR_IO/],
  ])('%j is refused', async (flags, status, message) => {
    const result = await cli(['show', run, image, ...flags], { cwd: folder });
    expect([result.status, result.stderr]).toEqual([status, expect.stringMatching(message)]);
  });
});
