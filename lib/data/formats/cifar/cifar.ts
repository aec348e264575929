// CIFAR-10 and CIFAR-100, in either of their official versions.
import { throwIfAborted } from '../../files';
import type { DataSource } from '../../sets/source';
import type { ImageSet } from '../../types';
import { binaryFile, checkRecords } from './binary';
import { cifarFolder, locateCifar, readParts, type Parts } from './find';
import { loadHeld } from './held';
import { IMAGE_BYTES, officialCount, type CifarFile, type CifarLayout } from './layout';
import { pythonFile } from './python';

/** How a data set of this form is found and loaded. */
export function cifarSet(layout: CifarLayout): Pick<DataSource, 'options' | 'locate' | 'load'> {
  return {
    options: ['directory', 'trainCount', 'testCount'],
    locate: (directory) => locateCifar(layout, directory),
    load: async (directory, options, keep) => {
      const folder = keep === undefined ? null : await cifarFolder(layout, directory);
      if (keep !== undefined && folder !== null) return loadHeld(layout, folder, options, keep);
      const { trainCount, testCount, signal } = options;
      const parts = await readParts(layout, directory, signal);
      if (parts.version === 'binary') checkRecords(layout, parts.files);
      throwIfAborted(signal, `loading ${layout.name}`);
      const { train, test } = layout[parts.version];
      return {
        train: decode(layout, parts, train, trainCount ?? Infinity),
        test: decode(layout, parts, test, testCount ?? Infinity),
      };
    },
  };
}

function openFile(layout: CifarLayout, { version, files }: Parts, file: string): CifarFile {
  const part = files.get(file)!;
  files.delete(file); // its memory can go as soon as it is decoded
  return version === 'binary'
    ? binaryFile(layout, part)
    : pythonFile(layout, part, officialCount(layout, version, file));
}

/** The first `keep` images of some files; the labels of the others are checked all the same. */
function decode(layout: CifarLayout, parts: Parts, names: readonly string[], keep: number): ImageSet {
  const files = names.map((name) => openFile(layout, parts, name));
  const count = Math.min(
    files.reduce((sum, file) => sum + file.count, 0),
    keep,
  );
  const pixels = new Uint8Array(count * IMAGE_BYTES);
  const labels = new Int32Array(count);
  let image = 0;
  for (const file of files) {
    for (let i = 0; i < file.count; i++) {
      const label = file.label(i);
      if (image >= count) continue;
      labels[image] = label;
      pixels.set(file.pixels(i), image * IMAGE_BYTES);
      image++;
    }
  }
  return { shape: [3, 32, 32], classes: [...layout.classes], pixels, labels, count };
}
