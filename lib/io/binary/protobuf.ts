// The wire format of protobuf, without schemas: fields with a number and a value. A library would bring its own
// runtime, or code generated from the schema, for the two dozen fields of ONNX that are used here; and messages are
// written as pieces that follow one another, so that weights of many megabytes are never copied.

/** A message, as bytes that follow one another. */
export type Pieces = Uint8Array[];

/** A non-negative integer in groups of seven bits, the lowest first. */
export function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

/** The bytes of a message. */
export function sizeOf(pieces: Pieces): number {
  return pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
}

/** A field with a non-negative integer. */
export function integerField(field: number, value: number): Pieces {
  return [varint(field * 8), varint(value)];
}

/** A field with a number of 64 bits. */
export function doubleField(field: number, value: number): Pieces {
  return [varint(field * 8 + 1), new Uint8Array(Float64Array.of(value).buffer)];
}

/** A field with a number of 32 bits. */
export function floatField(field: number, value: number): Pieces {
  return [varint(field * 8 + 5), new Uint8Array(Float32Array.of(value).buffer)];
}

/** A packed field with numbers of 64 bits. Little-endian, as every machine that Node.js runs on. */
export function doublesField(field: number, values: readonly number[]): Pieces {
  return bytesField(field, [new Uint8Array(Float64Array.from(values).buffer)]);
}

/** A field with bytes or a message. */
export function bytesField(field: number, pieces: Pieces): Pieces {
  return [varint(field * 8 + 2), varint(sizeOf(pieces)), ...pieces];
}

/** A field with a string. */
export function textField(field: number, value: string): Pieces {
  return bytesField(field, [new TextEncoder().encode(value)]);
}

/** A field once for every entry of a list. */
export function fieldOfEach<T>(field: number, list: readonly T[], encode: (field: number, entry: T) => Pieces): Pieces {
  return list.flatMap((entry) => encode(field, entry));
}

/** A field of a message that is read. */
export interface Field {
  number: number;
  /** A signed integer of 64 bits, or the bytes of anything else: of a message or string, or 4 or 8 of a number. */
  value: bigint | Uint8Array;
}

/** What a message is not: thrown with what was expected and what came; whoever reads a file adds where. */
export class WireError extends Error {
  constructor(
    readonly what: string,
    readonly received: string,
  ) {
    super(`Expected ${what} but received ${received}`);
  }
}

/** The fields of a message in their order. Errors: WireError. */
export function* readFields(bytes: Uint8Array): Generator<Field> {
  const reader = new VarintReader(bytes);
  while (!reader.ended) {
    const key = reader.next();
    const number = Number(key >> 3n);
    const wire = Number(key & 7n);
    if (number < 1 || number > 2 ** 29) throw new WireError('the number of a field', String(number));
    if (wire === 0) yield { number, value: BigInt.asIntN(64, reader.next()) };
    else if (wire === 1) yield { number, value: reader.take(8) };
    else if (wire === 5) yield { number, value: reader.take(4) };
    else if (wire === 2) yield { number, value: reader.take(Number(reader.next())) };
    else throw new WireError('a field of a known type', `type ${wire}`);
  }
}

/** More integers would take many times the memory of their bytes; weights are not written in this way. */
const MAX_PACKED = 2 ** 24;

/** The integers of a packed field. Errors: WireError. */
export function readPacked(bytes: Uint8Array): bigint[] {
  if (bytes.length > MAX_PACKED) throw new WireError(`a list of at most ${MAX_PACKED} bytes`, String(bytes.length));
  const reader = new VarintReader(bytes);
  const values: bigint[] = [];
  while (!reader.ended) values.push(BigInt.asIntN(64, reader.next()));
  return values;
}

class VarintReader {
  #at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get ended(): boolean {
    return this.#at >= this.bytes.length;
  }

  next(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.#at++];
      if (byte === undefined) throw new WireError('an integer', 'the end of the message');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw new WireError('an integer of at most ten bytes', 'a longer one');
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (!(end <= this.bytes.length))
      throw new WireError(`${length} bytes`, `${this.bytes.length - this.#at}, the rest of the message`);
    const taken = this.bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
