// Reads tar archives (POSIX ustar and pax, GNU, and the old form without a magic word) entry by entry, out of a stream
// of bytes.

const BLOCK = 512;
/** Long names and pax records of more than this are nobody's. */
const MAX_EXTENSION = 1 << 20;

/** What an entry is, by its type flag; other flags are extensions that mean nothing here. */
const KINDS: Readonly<Record<string, string>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'hard link',
  '2': 'symlink',
  '3': 'character device',
  '4': 'block device',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
};

export interface TarEntry {
  name: string;
  /** 'file', 'directory', 'symlink' and so on. */
  kind: string;
  /** The number of bytes of its content. */
  size: number;
  /** The whole content; asked for before the next entry is, or not at all. */
  content(): Promise<Buffer>;
}

/** The entries of an archive in their order. Throws an Error for data that are no tar archive or end too soon. */
export async function* tarEntries(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void, undefined> {
  const reader = new Reader(bytes);
  let extended: Extension = {};
  for (;;) {
    const header = await reader.take(BLOCK);
    if (header === undefined) return;
    if (header.every((byte) => byte === 0)) continue; // the end is marked by zeros, and padded by more of them
    const { name, flag, size } = parseHeader(header);
    if (flag === 'L' || flag === 'x') {
      extended = { ...extended, ...readExtension(flag, await reader.need(checkExtension(size))) };
      await reader.skip(padding(size));
      continue;
    }
    const kind = KINDS[flag] ?? 'extension';
    const entry = { name: extended.name ?? name, size: extended.size ?? size };
    extended = {};
    // What is neither a file nor an extension has no content, whatever its size says.
    const stored = kind === 'file' || kind === 'extension' ? entry.size : 0;
    let left = stored;
    if (kind !== 'extension') {
      const content = async (): Promise<Buffer> => {
        left = 0;
        return reader.need(stored);
      };
      yield { ...entry, kind: kind === 'file' && entry.name.endsWith('/') ? 'directory' : kind, content };
    }
    await reader.skip(left + padding(stored));
  }
}

/** What a GNU long name or a pax header says about the entry behind it. */
interface Extension {
  name?: string;
  size?: number;
}

function parseHeader(header: Buffer): { name: string; flag: string; size: number } {
  const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  if (sum !== parseNumber(header.subarray(148, 156))) throw new Error('a tar header whose checksum is wrong');
  const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? textOf(header.subarray(345, 500)) : '';
  const name = textOf(header.subarray(0, 100));
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    flag: String.fromCharCode(header[156]!),
    size: checkSize(parseNumber(header.subarray(124, 136))),
  };
}

/** Octal digits between blanks and zeros, or a big-endian number behind a first byte of 0x80. */
function parseNumber(field: Buffer): number {
  if (field[0] === 0x80) return field.subarray(1).reduce((total, byte) => total * 256 + byte, 0);
  const digits = textOf(field).trim();
  return digits === '' ? 0 : /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}

function checkSize(size: number): number {
  if (!Number.isSafeInteger(size)) throw new Error('a tar header without a valid size');
  return size;
}

function checkExtension(size: number): number {
  if (size > MAX_EXTENSION) throw new Error(`a tar header of ${size} bytes`);
  return size;
}

/** UTF-8 up to the first zero. */
function textOf(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? field.length : end);
}

function readExtension(flag: 'L' | 'x', content: Buffer): Extension {
  if (flag === 'L') return { name: textOf(content) };
  const found: Extension = {};
  // Records of the form "LENGTH KEY=VALUE\n", the length being that of the whole record.
  for (let at = 0; at < content.length; ) {
    const length = Number.parseInt(content.toString('latin1', at, at + 20), 10);
    if (!(length > 0) || at + length > content.length) throw new Error('a pax header whose records do not fit');
    const record = content.toString('utf8', at, at + length - 1);
    const [, key, value] = /^\d+ ([^=]*)=([^]*)$/.exec(record) ?? [];
    if (key === 'path') found.name = value!;
    if (key === 'size') found.size = checkSize(/^\d+$/.test(value!) ? Number(value) : Number.NaN);
    at += length;
  }
  return found;
}

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

/** Any number of bytes at a time, out of chunks of any size. */
class Reader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#chunks = bytes[Symbol.asyncIterator]();
  }

  /** The next `count` bytes; undefined if the stream has ended before the first of them. */
  async take(count: number): Promise<Buffer | undefined> {
    if (!(await this.#more())) return undefined;
    return this.need(count);
  }

  /** The next `count` bytes, which must be there. */
  async need(count: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(count);
    await this.#each(count, (part, at) => bytes.set(part, at));
    return bytes;
  }

  async skip(count: number): Promise<void> {
    await this.#each(count, () => undefined);
  }

  async #each(count: number, use: (part: Uint8Array, at: number) => void): Promise<void> {
    for (let at = 0; at < count; ) {
      if (!(await this.#more())) throw new Error('an end in the middle of an entry');
      const part = this.#rest.subarray(0, count - at);
      this.#rest = this.#rest.subarray(part.length);
      use(part, at);
      at += part.length;
    }
  }

  async #more(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done === true) return false;
      this.#rest = value;
    }
    return true;
  }
}
