// CIFAR in its version for Python: pickled dictionaries with an array of pixels (N, 3072) and a list of labels.
import { OneSpikeError } from '../../../errors';
import { NUMPY_GLOBALS, NumpyArray } from '../../../io/binary/numpy';
import { PickleTuple, unpickle } from '../../../io/binary/pickle';
import { describeValue } from '../../../check';
import { IMAGE_BYTES, type CifarFile, type CifarLayout, type Part } from './layout';

/** What a file may hold beside the pixels of an image: its label and its name. */
export const RECORD_OVERHEAD = 512;
/** What a file may hold beside its records. */
export const FILE_OVERHEAD = 65_536;

/** The images of a pickle, of which at most `most` are expected. Errors: ERR_FORMAT, naming the byte or the entry. */
export function pythonFile(layout: CifarLayout, { origin, bytes }: Part, most: number): CifarFile {
  const content = unpickle(bytes, {
    globals: NUMPY_GLOBALS,
    damaged: (at, what, received) =>
      new OneSpikeError('ERR_FORMAT', `Expected ${what} at byte ${at} of ${origin} but received ${received}`),
    advice: ': the pickles of CIFAR hold arrays of NumPy, lists and names',
  });
  const refuse = (what: string, received: string): OneSpikeError =>
    new OneSpikeError('ERR_FORMAT', `Expected ${what} in ${origin} but received ${received}`);
  if (!(content instanceof Map)) throw refuse('a dictionary', describeValue(content));
  const pixels = pixelsOf(entry(content, 'data'), refuse);
  const count = pixels.length / IMAGE_BYTES;
  if (count < 1 || count > most) throw refuse(`1 to ${most} images`, String(count));
  const labels = labelsOf(entry(content, layout.labelKey));
  if (labels === undefined) throw refuse(`a list of labels '${layout.labelKey}'`, keysOf(content));
  if (labels.length !== count) throw refuse(`${count} labels, one of an image,`, String(labels.length));
  return {
    origin,
    count,
    label: (image) => {
      const label = labels[image];
      if (Number.isInteger(label) && (label as number) >= 0 && (label as number) < layout.classes.length)
        return label as number;
      throw refuse(`a label from 0 to ${layout.classes.length - 1} of image ${image}`, describeValue(label));
    },
    pixels: (image) => pixels.subarray(image * IMAGE_BYTES, (image + 1) * IMAGE_BYTES),
  };
}

/** The value of a key, which is a text or, where Python 2 wrote it and Python 3 again, bytes. */
function entry(dictionary: Map<unknown, unknown>, name: string): unknown {
  for (const [key, value] of dictionary) if (textOf(key) === name) return value;
  return undefined;
}

function textOf(key: unknown): string | undefined {
  if (typeof key === 'string') return key;
  return key instanceof Uint8Array && key.length < 100 ? Buffer.from(key).toString('latin1') : undefined;
}

function keysOf(dictionary: Map<unknown, unknown>): string {
  const names = [...dictionary.keys()].slice(0, 8).map((key) => textOf(key) ?? describeValue(key));
  return names.length === 0 ? 'an empty dictionary' : `the entries ${names.join(', ')}`;
}

function pixelsOf(data: unknown, refuse: (what: string, received: string) => OneSpikeError): Uint8Array {
  if (!(data instanceof NumpyArray)) throw refuse("an array of pixels 'data'", describeValue(data));
  const { shape, fortran, bytes } = data;
  const [count = 0, ...rest] = shape;
  const perImage = rest.reduce((product, side) => product * side, 1);
  if (!data.isBytes || shape.length < 2 || perImage !== IMAGE_BYTES || (fortran && shape.length > 2))
    throw refuse(`pixels of N x ${IMAGE_BYTES} bytes`, shape.join(' x '));
  if (!fortran || count === 1) return bytes;
  const rows = new Uint8Array(bytes.length);
  for (let column = 0; column < IMAGE_BYTES; column++)
    for (let row = 0; row < count; row++) rows[row * IMAGE_BYTES + column] = bytes[column * count + row]!;
  return rows;
}

function labelsOf(value: unknown): readonly unknown[] | undefined {
  if (value instanceof NumpyArray) return value.shape.length === 1 ? value.integers() : undefined;
  if (value instanceof PickleTuple) return value.items;
  return Array.isArray(value) ? value : undefined;
}
