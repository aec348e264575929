// Events of TensorBoard as protobuf (tensorboard/compat/proto/event.proto, summary.proto, plugins/hparams), in records.
import { crc32c } from '../../io/binary/crc';
import {
  bytesField,
  doubleField,
  doublesField,
  fieldOfEach,
  floatField,
  integerField,
  sizeOf,
  textField,
  type Pieces,
} from '../../io/binary/protobuf';

/** A field `value` of a summary: a number, histogram or picture by its tag. */
export type SummaryValue = Pieces;

/** The first event of a file. */
export function versionEvent(time: number): Buffer {
  return record([...doubleField(1, time), ...textField(3, 'brain.Event:2')]);
}

/** An event at a step, as a record. `time` is in seconds since 1970. */
export function summaryEvent(time: number, step: number, values: readonly SummaryValue[]): Buffer {
  return record([...doubleField(1, time), ...integerField(2, step), ...bytesField(5, values.flat())]);
}

export function scalarValue(tag: string, value: number): SummaryValue {
  return bytesField(1, [...textField(1, tag), ...floatField(2, value)]);
}

/** How often neurons fired at each step: `counts[t]` at step t; those that never fired, `counts[0]`, are left out. */
export function histogramValue(tag: string, counts: ArrayLike<number>): SummaryValue {
  const steps = Array.from({ length: counts.length - 1 }, (_, i) => i + 1);
  const total = (weight: (step: number) => number): number =>
    steps.reduce((sum, step) => sum + counts[step]! * weight(step), 0);
  const histogram = [
    ...doubleField(1, 0.5),
    ...doubleField(2, steps.length + 0.5),
    ...doubleField(
      3,
      total(() => 1),
    ),
    ...doubleField(
      4,
      total((step) => step),
    ),
    ...doubleField(
      5,
      total((step) => step ** 2),
    ),
    ...doublesField(
      6,
      steps.map((step) => step + 0.5),
    ),
    ...doublesField(
      7,
      steps.map((step) => counts[step]!),
    ),
  ];
  return bytesField(1, [...textField(1, tag), ...bytesField(5, histogram)]);
}

/** A picture, with how it is to be read as Markdown. */
export function imageValue(
  tag: string,
  { png, width, height }: { png: Uint8Array; width: number; height: number },
  description: string,
): SummaryValue {
  const image = [...integerField(1, height), ...integerField(2, width), ...integerField(3, 3), ...bytesField(4, [png])];
  const metadata = [...bytesField(1, textField(1, 'images')), ...textField(3, description)];
  return bytesField(1, [...textField(1, tag), ...bytesField(4, image), ...bytesField(9, metadata)]);
}

type Parameter = [name: string, value: string | number | boolean];

/** What the table of hyperparameters shows: these, beside these results. */
export function experimentValue(parameters: readonly Parameter[], metrics: readonly string[]): SummaryValue {
  const kinds = { string: 1, boolean: 2, number: 3 } as const;
  return hparamsValue('_hparams_/experiment', 2, [
    ...fieldOfEach(4, parameters, (field, [name, value]) =>
      bytesField(field, [...textField(1, name), ...integerField(4, kinds[typeof value as keyof typeof kinds])]),
    ),
    ...fieldOfEach(5, metrics, (field, tag) => bytesField(field, bytesField(1, textField(2, tag)))),
  ]);
}

export function sessionStartValue(parameters: readonly Parameter[], time: number): SummaryValue {
  const entries = fieldOfEach(1, parameters, (field, [name, value]) =>
    bytesField(field, [...textField(1, name), ...bytesField(2, structValue(value))]),
  );
  return hparamsValue('_hparams_/session_start_info', 3, [...entries, ...doubleField(5, time)]);
}

export function sessionEndValue(time: number): SummaryValue {
  const success = 1;
  return hparamsValue('_hparams_/session_end_info', 4, [...integerField(1, success), ...doubleField(2, time)]);
}

function hparamsValue(tag: string, field: number, message: Pieces): SummaryValue {
  const plugin = [...textField(1, 'hparams'), ...bytesField(2, bytesField(field, message))];
  return bytesField(1, [...textField(1, tag), ...bytesField(9, bytesField(1, plugin))]);
}

/** google.protobuf.Value. */
function structValue(value: string | number | boolean): Pieces {
  if (typeof value === 'number') return doubleField(2, value);
  return typeof value === 'string' ? textField(3, value) : integerField(4, value ? 1 : 0);
}

/** TFRecord: length, its check, data, their check. */
function record(event: Pieces): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(sizeOf(event)));
  const data = Buffer.concat(event);
  return Buffer.concat([length, masked(length), data, masked(data)]);
}

/** A check is stored turned and shifted, because records may lie within records. */
export function masked(bytes: Uint8Array): Buffer {
  const crc = crc32c(bytes);
  const check = Buffer.alloc(4);
  check.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return check;
}
