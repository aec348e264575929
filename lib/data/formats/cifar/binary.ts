// CIFAR in its binary version: records of one or two label bytes and 3072 pixel bytes (C, H, W).
import { OneSpikeError } from '../../../errors';
import {
  filesOf,
  IMAGE_BYTES,
  officialCount,
  type CifarFile,
  type CifarLayout,
  type Part,
  type SizedPart,
} from './layout';

const COARSE_CLASSES = 20;

export const recordBytesOf = ({ labelBytes }: CifarLayout): number => labelBytes + IMAGE_BYTES;

/** Number of records of a part; ERR_FORMAT unless it is a positive whole number of them. */
function countRecords(part: SizedPart, recordBytes: number): number {
  const whole = Math.floor(part.bytes.length / recordBytes);
  if (whole === 0 || whole * recordBytes !== part.bytes.length) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected records of ${recordBytes} bytes in ${part.origin} but received ${part.bytes.length} bytes: ` +
        `the record at byte ${whole * recordBytes} is ${whole === 0 && part.bytes.length === 0 ? 'missing' : 'incomplete'}`,
    );
  }
  return whole;
}

/**
 * A file cut at the edge of a record cannot be told from a whole one by itself, so it is judged by its siblings:
 * subsets are welcome if every training file has the same number of records, and a set of which one file has the
 * official number must have it in all. Errors: ERR_FORMAT.
 */
export function checkRecords(layout: CifarLayout, parts: ReadonlyMap<string, SizedPart>): void {
  const recordBytes = recordBytesOf(layout);
  const isTraining = (file: string): boolean => layout.binary.train.includes(file);
  const counts = filesOf(layout.binary).map((file) => {
    const part = parts.get(file)!;
    return { file, part, records: countRecords(part, recordBytes), official: officialCount(layout, 'binary', file) };
  });
  const largest = Math.max(...counts.filter(({ file }) => isTraining(file)).map(({ records }) => records));
  const complete = counts.some(({ records, official }) => records === official);
  for (const { file, part, records, official } of counts) {
    const expected = complete ? official : isTraining(file) ? largest : records;
    if (records !== expected) {
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected ${expected} records of ${recordBytes} bytes in ${part.origin} (as its sibling files have) but received ${records}: ` +
          `the file ends at byte ${part.bytes.length}`,
      );
    }
  }
}

/** The images of a file whose records were checked. */
export function binaryFile(layout: CifarLayout, { origin, bytes }: Part): CifarFile {
  const recordBytes = recordBytesOf(layout);
  const checked = (at: number, classes: number, what: string): number => {
    if (bytes[at]! < classes) return bytes[at]!;
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected a ${what} from 0 to ${classes - 1} at byte ${at} of ${origin} but received ${bytes[at]}`,
    );
  };
  return {
    origin,
    count: bytes.length / recordBytes,
    label: (image) => {
      const at = image * recordBytes;
      const label = checked(at + layout.labelBytes - 1, layout.classes.length, 'label');
      if (layout.labelBytes === 2) checked(at, COARSE_CLASSES, 'coarse label');
      return label;
    },
    pixels: (image) => bytes.subarray(image * recordBytes + layout.labelBytes, (image + 1) * recordBytes),
  };
}
