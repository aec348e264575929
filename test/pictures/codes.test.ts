// The picture of a comparison: every code with its numbers, whatever these are.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codesFigure, writeCodesPicture, type PicturedCode } from '../../lib/pictures/codes';
import { figureSvg } from '../../lib/pictures/figure';
import { temporaryFolder } from '../helpers/command-line';

const folder = temporaryFolder();
const code = (name: string, parts: Partial<PicturedCode> = {}): PicturedCode => ({
  code: name,
  accuracy: 0.9,
  timesteps: 4,
  stepsWithinOnePoint: 3,
  spikesPerImage: 1234,
  picojoules: 5e6,
  steps: [0.1, 0.5, 0.895, 0.9].map((accuracy, i) => ({ step: i + 1, accuracy })),
  ...parts,
});
const steps = Array.from({ length: 2000 }, (_, i) => ({ step: i + 1, accuracy: 0.1 + (0.7 * i) / 2000 }));
const codes = [
  code('hybrid'),
  code('ann', { timesteps: 1, stepsWithinOnePoint: 1, spikesPerImage: 0, steps: [{ step: 1, accuracy: 0.92 }] }),
  code('rate', {
    accuracy: 0.8,
    timesteps: 2000,
    stepsWithinOnePoint: 1900,
    spikesPerImage: 2e6,
    picojoules: 4e9,
    steps,
  }),
];
const about = { title: 'Codes <compared>', account: 'compute, int32', own: 'hybrid' };

test('every code has a row with its numbers, and a curve', () => {
  const figure = codesFigure(codes, about);
  const svg = figureSvg(figure, 'light');
  for (const words of ['hybrid', 'ann', 'rate', '90.0 %', '1,900', '2.00 M', '1.23 k', '4 mJ', 'none', 'no steps'])
    expect(svg).toContain(`>${words}<`);
  expect(svg).toContain('Codes &lt;compared&gt;');
  expect(svg).not.toMatch(/NaN|Infinity|undefined|var\(/);
  // Two thousand points are thinned to what can be seen, the last one among them.
  const paths = [...svg.matchAll(/ d="([^"]*)"/g)].map(([, d]) => d!);
  expect(paths).toHaveLength(3);
  for (const path of paths) expect(path.split('L').length).toBeLessThan(200);
  expect(svg).toContain('<title>rate, step 2000: ');
  expect(figure.table!.rows.map(([name]) => name)).toEqual(['hybrid', 'ann', 'rate']);
  expect(figureSvg(figure, 'dark')).not.toBe(svg);
});

test.each<[string, readonly PicturedCode[]]>([
  ['one code', [code('hybrid', { timesteps: 1, stepsWithinOnePoint: 1, steps: [{ step: 1, accuracy: 1 }] })]],
  ['equal numbers', [code('hybrid'), code('rate')]],
  ['no spikes and no energy', [code('hybrid', { spikesPerImage: 0, picojoules: 0, accuracy: 0 })]],
])('%s can be drawn', (_, few) => {
  expect(figureSvg(codesFigure(few, about), 'light')).not.toMatch(/NaN|Infinity|undefined/);
});

test('a file as SVG, and as PNG where sharp is', async () => {
  const [without, beside] = ['without', 'with'].map((name) => join(folder, name)) as [string, string];
  for (const path of [without, beside]) mkdirSync(path);
  const figure = codesFigure(codes, about);
  jest.doMock(
    'sharp',
    () => {
      throw Object.assign(new Error("Cannot find module 'sharp'"), { code: 'MODULE_NOT_FOUND' });
    },
    { virtual: true },
  );
  await writeCodesPicture(without, figure, 'light');
  expect(readdirSync(without)).toEqual(['compare.svg']);
  jest.doMock(
    'sharp',
    () => (svg: Buffer) => ({ png: () => ({ toBuffer: async () => Buffer.from(`PNG of ${svg.toString()}`) }) }),
    { virtual: true },
  );
  jest.resetModules();
  const { writeCodesPicture: mocked } =
    require('../../lib/pictures/codes') as typeof import('../../lib/pictures/codes');
  const files = await mocked(beside, figure, 'dark');
  jest.dontMock('sharp');
  expect(files).toEqual([join(beside, 'compare.svg'), join(beside, 'compare.png')]);
  expect(readFileSync(files[1]!, 'utf8')).toBe(`PNG of ${readFileSync(files[0]!, 'utf8')}`);
});
