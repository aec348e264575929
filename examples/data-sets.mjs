// Images as the package sees them: the embedded set, a stratified split, and one picture file brought to the shape a
// network takes. PNG, PPM and PGM need nothing else; JPEG needs `npm install sharp`.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { datasets, loadImage, splitValidation } from 'onespike';

const { train, test, mean, std } = await datasets.load('shapes', { trainCount: 500, testCount: 100 });
console.log(`${train.count} + ${test.count} images of ${train.shape.join('x')}: ${train.classes.join(', ')}`);
console.log(
  'mean',
  mean.map((value) => value.toFixed(3)),
  'deviation',
  std.map((value) => value.toFixed(3)),
);

const split = splitValidation(train, 0.1, 1);
console.log(`${split.train.length} to train on, ${split.validation.length} to validate`);

// What is known about a public set, and whether it is here; `datasets.fetch` would download it.
const { title, sources, present, directory } = await datasets.info('cifar10');
console.log(`${title}: ${present ? 'present' : 'not present'} in ${directory}, from ${sources.join(', ')}`);

// The first image as a PPM file, and back at half the size.
const folder = await mkdtemp(join(tmpdir(), 'onespike-'));
const path = join(folder, 'disc.ppm');
const interleaved = Uint8Array.from({ length: 3072 }, (_, i) => train.pixels[(i % 3) * 1024 + Math.floor(i / 3)]);
await writeFile(path, Buffer.concat([Buffer.from('P6 32 32 255\n'), interleaved]));
const pixels = await loadImage(path, [3, 16, 16]);
console.log(`${path}: ${pixels.length} bytes`);
await rm(folder, { recursive: true });
