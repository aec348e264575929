// A reader of event files that shares no code with the writer: records, checks and protobuf from their descriptions.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A value of a summary as its fields: number of the field to what it holds. */
type Fields = Map<number, (bigint | Buffer)[]>;

export interface SummaryRecord {
  step: number;
  wallTime: number;
  tag: string;
  scalar?: number;
  histogram?: { min: number; max: number; num: number; sum: number; limits: number[]; counts: number[] };
  image?: { width: number; height: number; png: Buffer };
  plugin?: { name: string; content: Fields };
}

/** CRC-32C bit by bit. */
export function castagnoli(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

const unmasked = (check: number): number => {
  const turned = (check - 0xa282ead8) >>> 0;
  return ((turned << 15) | (turned >>> 17)) >>> 0;
};

export function fieldsOf(message: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const integer = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = Number(integer());
    const bytes = (length: number): Buffer => {
      at += length;
      return message.subarray(at - length, at);
    };
    const value = [integer, () => bytes(8), () => bytes(Number(integer())), , , () => bytes(4)][key & 7]!();
    fields.set(key >>> 3, [...(fields.get(key >>> 3) ?? []), value]);
  }
  return fields;
}

const first = (fields: Fields, number: number): Buffer | undefined => fields.get(number)?.[0] as Buffer | undefined;
const double = (bytes: Buffer | undefined): number => bytes?.readDoubleLE(0) ?? Number.NaN;
const doubles = (bytes: Buffer): number[] =>
  Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readDoubleLE(8 * i));

function summaryOf(value: Fields): Omit<SummaryRecord, 'step' | 'wallTime'> {
  const [scalar, image, histogram, metadata] = [2, 4, 5, 9].map((number) => first(value, number));
  const picture = image && fieldsOf(image);
  const bars = histogram && fieldsOf(histogram);
  const plugin = metadata && fieldsOf(first(fieldsOf(metadata), 1)!);
  return {
    tag: first(value, 1)!.toString(),
    ...(scalar ? { scalar: scalar.readFloatLE(0) } : {}),
    ...(picture
      ? { image: { height: Number(picture.get(1)![0]), width: Number(picture.get(2)![0]), png: first(picture, 4)! } }
      : {}),
    ...(bars
      ? {
          histogram: {
            min: double(first(bars, 1)),
            max: double(first(bars, 2)),
            num: double(first(bars, 3)),
            sum: double(first(bars, 4)),
            limits: doubles(first(bars, 6)!),
            counts: doubles(first(bars, 7)!),
          },
        }
      : {}),
    ...(plugin
      ? { plugin: { name: first(plugin, 1)!.toString(), content: fieldsOf(first(plugin, 2) ?? Buffer.alloc(0)) } }
      : {}),
  };
}

/** All values of all event files of a folder, file by file in the order of their names. Throws for a wrong check. */
export function readEvents(folder: string): SummaryRecord[] {
  const found: SummaryRecord[] = [];
  const files = readdirSync(folder).filter((name) => name.startsWith('events.out.tfevents.'));
  for (const file of files.sort()) {
    const bytes = readFileSync(join(folder, file));
    for (let at = 0, number = 0; at < bytes.length; number++) {
      const length = Number(bytes.readBigUInt64LE(at));
      const data = bytes.subarray(at + 12, at + 12 + length);
      if (unmasked(bytes.readUInt32LE(at + 8)) !== castagnoli(bytes.subarray(at, at + 8))) throw new Error('length');
      if (unmasked(bytes.readUInt32LE(at + 12 + length)) !== castagnoli(data)) throw new Error('data');
      at += 16 + length;
      const event = fieldsOf(data);
      if (number === 0 && first(event, 3)?.toString() !== 'brain.Event:2') throw new Error('no version');
      const summary = first(event, 5);
      for (const value of summary === undefined ? [] : fieldsOf(summary).get(1)!)
        found.push({
          step: Number(event.get(2)![0]),
          wallTime: double(first(event, 1)),
          ...summaryOf(fieldsOf(value as Buffer)),
        });
    }
  }
  return found;
}
