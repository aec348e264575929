/**
 * The Arrow schema that Arrow's writers note beside that of Parquet, in base64: an IPC message, which is a flatbuffer
 * (Message.fbs, Schema.fbs). Arrow refuses a file whose Arrow schema is damaged, and takes from it what is noted on the
 * columns.
 */
type Kind = 1 | 2 | 4 | 8 | 'text' | { list: Kind } | { union: Readonly<Record<number, Table>> } | (() => Table);
/** The fields of a table, a number by its bytes; which table a union holds is said by the field before it. */
type Table = readonly Kind[];
type Value = number | string | Value[] | undefined;

const note: Table = ['text', 'text'];
const integer: Table = [4, 1];
/** Types with fields, by their numbers; the others have none. */
const types: Readonly<Record<number, Table>> = {
  ...{ 2: integer, 3: [2], 7: [4, 4, 4], 8: [2], 9: [2, 4], 10: [2, 'text'], 11: [2], 14: [2, { list: 4 }] },
  ...{ 15: [4], 16: [4], 17: [1], 18: [2] },
};
const LAST_TYPE = 26;
const SCHEMA = 1;
const INTEGER = 2;
const DECIMAL = 7;
/** How many types lists, maps and run-end-encoded values are made of. */
const PARTS: Readonly<Record<number, number>> = { 12: 1, 16: 1, 17: 1, 21: 1, 22: 2, 25: 1, 26: 1 };
const dictionary: Table = [8, () => integer, 1, 2];
const field: Table = ['text', 1, 1, { union: types }, () => dictionary, { list: () => field }, { list: () => note }];
const schema: Table = [2, { list: () => field }, { list: () => note }, { list: 8 }];
const message: Table = [2, 1, { union: { [SCHEMA]: schema } }, 8, { list: () => note }];
/** The fourth and fifth versions, the only ones of files since 2017. */
const VERSIONS: readonly Value[] = [3, 4];
const DEEPEST = 64;

/** The notes of an Arrow schema. Throws an Error for what is none. */
export function arrowNotes(base64: string): Map<string, string> {
  try {
    const bytes = Buffer.from(base64, 'base64');
    if (bytes.toString('base64') !== base64) throw new Error('a text that is no base64');
    return notesOf(bytes);
  } catch (cause) {
    throw new Error(`a damaged Arrow schema: ${(cause as Error).message}`, { cause });
  }
}

function notesOf(bytes: Buffer): Map<string, string> {
  const first = bytes.readInt32LE(0);
  // Before version 0.15 the size stood at the beginning.
  const [size, start] = first === -1 ? [bytes.readInt32LE(4), 8] : [first, 4];
  const end = start + size;
  if (size <= 0 || end > bytes.length) throw new Error(`a message of ${size} bytes`);
  const [version, kind, header, body = 0, more] = new FlatBuffer(bytes.subarray(start, end)).root(message);
  if (!VERSIONS.includes(version) || kind !== SCHEMA) throw new Error(`a message ${kind} of version ${version}`);
  if (!((body as number) >= 0 && end + (body as number) <= bytes.length)) throw new Error(`a body of ${body} bytes`);
  pairs(more);
  const [, fields, notes] = list(header, 'schema');
  for (const each of list(fields, 'fields')) checkField(each);
  return pairs(notes);
}

function list(value: Value, what: string): Value[] {
  if (!Array.isArray(value)) throw new Error(`no ${what}`);
  return value;
}

function pairs(notes: Value): Map<string, string> {
  return new Map(
    list(notes ?? [], 'notes').map((each) => {
      const [key, value] = each as Value[];
      if (key === undefined || value === undefined) throw new Error('a note without a key or a value');
      return [key as string, value as string];
    }),
  );
}

function checkField(value: Value): void {
  const [, , kind = 0, type, indices, children, notes] = value as Value[];
  const inner = list(children, 'children of a field');
  inner.forEach(checkField);
  pairs(notes);
  const [size = 0] = list(type, 'type of a field');
  const number = kind as number;
  if (!(number > 0 && number <= LAST_TYPE)) throw new Error(`a field of type ${number}`);
  if (inner.length !== (PARTS[number] ?? inner.length)) throw new Error(`a field of ${inner.length} types`);
  if (number === INTEGER) checkBits(size);
  if (number === DECIMAL && !((size as number) > 0)) throw new Error(`a decimal of ${size} digits`);
  if (indices !== undefined) checkBits(list((indices as Value[])[1], 'type of indices')[0]);
}

function checkBits(bits: Value): void {
  if (![8, 16, 32, 64].includes(bits as number)) throw new Error(`integers of ${bits} bits`);
}

/** Reads tables, as strictly as flatbuffers' own verifier; a place beyond the end is a RangeError of the buffer. */
class FlatBuffer {
  /** Bytes that may still be read: several fields may hold the same table, but not over and over. */
  #left: number;

  constructor(private readonly bytes: Buffer) {
    this.#left = 4 * bytes.length;
  }

  root(table: Table): Value[] {
    return this.#table(this.#follow(0), table, 0);
  }

  #table(at: number, table: Table, depth: number): Value[] {
    if (depth > DEEPEST) throw new Error(`more than ${DEEPEST} tables in each other`);
    this.#spend(4);
    const places = at - (this.#number(at, 4) as number);
    const size = this.bytes.readUInt16LE(places);
    if (places % 2 !== 0 || size % 2 !== 0 || places + size > this.bytes.length)
      throw new Error('a table without places');
    const values: Value[] = [];
    for (const [i, kind] of table.entries()) {
      const place = 4 + 2 * i < size ? this.bytes.readUInt16LE(places + 4 + 2 * i) : 0;
      values.push(place === 0 ? undefined : this.#value(at + place, kind, depth, values[i - 1]));
    }
    return values;
  }

  #value(at: number, kind: Kind, depth: number, before: Value): Value {
    if (typeof kind === 'number') return this.#number(at, kind);
    const target = this.#follow(at);
    if (typeof kind === 'function') return this.#table(target, kind(), depth + 1);
    if (kind === 'text') return this.#text(target);
    if ('union' in kind) return this.#table(target, kind.union[before as number] ?? [], depth + 1);
    const count = this.#number(target, 4) >>> 0;
    const width = typeof kind.list === 'number' ? kind.list : 4;
    if (target + 4 + count * width > this.bytes.length) throw new Error(`a list of ${count} entries`);
    this.#spend(count * width);
    return Array.from({ length: count }, (_, i) => this.#value(target + 4 + i * width, kind.list, depth, undefined));
  }

  #text(at: number): string {
    const end = at + 4 + (this.#number(at, 4) >>> 0);
    if (this.bytes.readUInt8(end) !== 0) throw new Error('a text without an end');
    this.#spend(end - at);
    return this.bytes.toString('utf8', at + 4, end);
  }

  #spend(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw new Error('tables or texts that many fields share');
  }

  #follow(at: number): number {
    const distance = this.#number(at, 4) >>> 0;
    if (distance === 0) throw new Error('a value in the place of its own address');
    return at + distance;
  }

  #number(at: number, size: 1 | 2 | 4 | 8): number {
    if (at % size !== 0) throw new Error(`a number at byte ${at}`);
    if (size === 1) return this.bytes.readUInt8(at);
    if (size === 2) return this.bytes.readInt16LE(at);
    return size === 4 ? this.bytes.readInt32LE(at) : Number(this.bytes.readBigInt64LE(at));
  }
}
