// What Parquet's descriptions must look like (parquet.thrift, in Thrift's compact protocol), checked before hyparquet
// reads them: it takes a field of another type, or the lack of one, for a value.
import { leb128 } from './leb128';

type Kind = 'bool' | 'i16' | 'i32' | 'i64' | 'binary' | { list: Kind } | Fields;

/** The fields of a structure by their numbers; those that must be there are in `required`. */
interface Fields {
  fields: Readonly<Record<number, Kind>>;
  required: readonly number[];
  /** The smallest and the largest value of fields that are enumerations or counts. */
  range?: Readonly<Record<number, readonly [least: number, most: number]>>;
}

const structure = (fields: Fields['fields'], required: readonly number[] = [], range?: Fields['range']): Fields => ({
  fields,
  required,
  ...(range !== undefined && { range }),
});

const statistics = structure({
  ...{ 1: 'binary', 2: 'binary', 3: 'i64', 4: 'i64', 5: 'binary', 6: 'binary', 7: 'bool', 8: 'bool' },
});
const keyValue = structure({ 1: 'binary', 2: 'binary' }, [1]);
const schemaElement = structure(
  { 1: 'i32', 2: 'i32', 3: 'i32', 4: 'binary', 5: 'i32', 6: 'i32', 7: 'i32', 8: 'i32', 9: 'i32' },
  [4],
  // Physical types up to fixed lengths, repetitions up to repeated, converted types up to intervals.
  { 1: [0, 7], 3: [0, 2], 6: [0, 21] },
);
const encodingStats = structure({ 1: 'i32', 2: 'i32', 3: 'i32' }, [1, 2, 3]);
const columnMetaData = structure(
  {
    ...{ 1: 'i32', 2: { list: 'i32' }, 3: { list: 'binary' }, 4: 'i32', 5: 'i64', 6: 'i64', 7: 'i64' },
    ...{ 8: { list: keyValue }, 9: 'i64', 10: 'i64', 11: 'i64', 12: statistics, 13: { list: encodingStats } },
    ...{ 14: 'i64', 15: 'i32', 16: structure({ 1: 'i64', 2: { list: 'i64' }, 3: { list: 'i64' } }) },
  },
  [1, 2, 3, 4, 5, 6, 7, 9],
);
const columnChunk = structure(
  { 1: 'binary', 2: 'i64', 3: columnMetaData, 4: 'i64', 5: 'i32', 6: 'i64', 7: 'i32', 9: 'binary' },
  [2],
);
const sortingColumn = structure({ 1: 'i32', 2: 'bool', 3: 'bool' }, [1, 2, 3]);
const rowGroup = structure(
  {
    ...{ 1: { list: columnChunk }, 2: 'i64', 3: 'i64', 4: { list: sortingColumn }, 5: 'i64', 6: 'i64', 7: 'i16' },
  },
  [1, 2, 3],
);

/** The description at the end of a file. */
export const FILE_METADATA = structure(
  {
    ...{ 1: 'i32', 2: { list: schemaElement }, 3: 'i64', 4: { list: rowGroup }, 5: { list: keyValue }, 6: 'binary' },
  },
  [1, 2, 3, 4],
);
/** The header of a page. */
export const PAGE_HEADER = structure(
  {
    ...{ 1: 'i32', 2: 'i32', 3: 'i32', 4: 'i32' },
    // Levels are run-length encoded or bit-packed.
    5: structure({ 1: 'i32', 2: 'i32', 3: 'i32', 4: 'i32', 5: statistics }, [1, 2, 3, 4], { 3: [3, 4], 4: [3, 4] }),
    7: structure({ 1: 'i32', 2: 'i32', 3: 'bool' }, [1, 2]),
    8: structure(
      { 1: 'i32', 2: 'i32', 3: 'i32', 4: 'i32', 5: 'i32', 6: 'i32', 7: 'bool', 8: statistics },
      [1, 2, 3, 4, 5, 6],
      { 3: [0, 2 ** 31] },
    ),
  },
  [1, 2, 3],
);

/** Throws an Error for bytes that do not begin with such a structure; returns their number. */
export function checkStructure(bytes: Uint8Array, fields: Fields): number {
  const reader = new Reader(bytes);
  reader.structure(fields, 0);
  return reader.at;
}

const STOP = 0;
const TRUE = 1;
const FALSE = 2;
const TYPES = { i16: 4, i32: 5, i64: 6, binary: 8, list: 9, structure: 12 } as const;
/** The bytes of an integer in groups of seven bits. */
const MOST_BYTES = { i16: 3, i32: 5, i64: 10 } as const;
const DEEPEST = 16;
const TOO_DEEP = `a description of more than ${DEEPEST} structures in each other`;

class Reader {
  at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  structure({ fields, required, range = {} }: Fields, depth: number): void {
    if (depth > DEEPEST) throw new Error(TOO_DEEP);
    const found = new Set<number>();
    for (let field = 0; ; ) {
      const head = this.#byte();
      const type = head & 15;
      if (type === STOP) break;
      field = head >> 4 === 0 ? this.#integer(MOST_BYTES.i16) : field + (head >> 4);
      const kind = fields[field];
      if (kind === undefined) this.#skip(type, depth);
      else {
        const value = this.#value(kind, type, field, depth);
        const [least, most] = range[field] ?? [-Infinity, Infinity];
        if (value! < least || value! > most) throw new Error(`the value ${value} in field ${field} of a description`);
      }
      found.add(field);
    }
    const missing = required.find((field) => !found.has(field));
    if (missing !== undefined) throw new Error(`a description without its field ${missing}`);
  }

  /** The value of an integer; undefined of everything else. */
  #value(kind: Kind, type: number, field: number, depth: number): number | undefined {
    if (kind === 'bool' ? type !== TRUE && type !== FALSE : type !== typeOf(kind))
      throw new Error(`a value of type ${type} in field ${field} of a description`);
    if (kind === 'bool') return undefined;
    if (kind === 'binary') return this.#jump(this.#length());
    if (typeof kind === 'string') return this.#integer(MOST_BYTES[kind]);
    if ('fields' in kind) this.structure(kind, depth + 1);
    else this.#list(kind.list, field, depth);
    return undefined;
  }

  #list(kind: Kind, field: number, depth: number): void {
    const [count, type] = this.#listHead();
    for (let i = 0; i < count; i++) this.#value(kind, type, field, depth);
  }

  /** What is not known here: fields of later versions of the format. */
  #skip(type: number, depth: number): void {
    if (depth > DEEPEST) throw new Error(TOO_DEEP);
    if (type === TRUE || type === FALSE) return;
    if (type === 3) this.#jump(1);
    else if (type === 7) this.#jump(8);
    else if (type >= TYPES.i16 && type <= TYPES.i64) this.#integer(MOST_BYTES.i64);
    else if (type === TYPES.binary) this.#jump(this.#length());
    else if (type === TYPES.structure) this.structure({ fields: {}, required: [] }, depth + 1);
    else if (type === TYPES.list) {
      const [count, inner] = this.#listHead();
      for (let i = 0; i < count; i++) {
        if (inner === TRUE || inner === FALSE) this.#jump(1);
        else this.#skip(inner, depth + 1);
      }
    } else throw new Error(`a value of type ${type} in a description`);
  }

  #listHead(): [count: number, type: number] {
    const head = this.#byte();
    const count = head >> 4 === 15 ? this.#length() : head >> 4;
    // Every element has a byte.
    if (count > this.bytes.length - this.at) throw new Error(`a list of ${count} entries in a description`);
    return [count, head & 15];
  }

  #byte(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new Error('a description that is cut off');
    return byte;
  }

  #jump(length: number): undefined {
    this.at += length;
    if (this.at > this.bytes.length) throw new Error('a description that is cut off');
    return undefined;
  }

  #length(): number {
    return this.#groups(5);
  }

  /** An integer whose sign is its lowest bit. */
  #integer(mostBytes: number): number {
    const value = this.#groups(mostBytes);
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  #groups(mostBytes: number): number {
    try {
      const { value, end } = leb128(this.bytes, this.at, mostBytes);
      this.at = end;
      return value;
    } catch (error) {
      throw new Error(`${(error as Error).message} in a description`);
    }
  }
}

function typeOf(kind: Exclude<Kind, 'bool'>): number {
  if (typeof kind === 'string') return TYPES[kind];
  return 'fields' in kind ? TYPES.structure : TYPES.list;
}
