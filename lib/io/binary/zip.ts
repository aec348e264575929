// Zip archives, read at any position: stored entries as PyTorch writes them, of which any slice can be read, and whole
// entries that are compressed. A library was not taken because those that exist hand out whole entries or streams,
// while a tensor is any slice of its entry, and because nothing of a zip is needed here beyond its list of entries.
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import { crc32 } from './crc';
import type { InputFile } from './input-file';

const inflate = promisify(inflateRaw);

/** An entry of an archive, which lies in one piece in its file. */
export interface ZipEntry {
  name: string;
  /** The number of bytes. */
  size: number;
  /** The number of bytes in the archive. */
  packed: number;
  /** Whether it is compressed by deflate and not encrypted, which `readEntry` alone reads. */
  deflated: boolean;
  /** Where its local header begins. */
  header: number;
  /** The CRC-32 of its content. */
  check: number;
  /** Why it cannot be read; undefined if it can. */
  unreadable: string | undefined;
}

const END = 0x06054b50;
const END_BYTES = 22;
const END_64 = 0x06064b50;
const END_64_BYTES = 56;
const LOCATOR_64 = 0x07064b50;
const LOCATOR_64_BYTES = 20;
const ENTRY = 0x02014b50;
const ENTRY_BYTES = 46;
const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
/** Flags of what is encrypted (weakly, strongly, as the list is) or changes another entry. */
const UNREADABLE_FLAGS = 0x2061;
/** Of the attributes of MS-DOS. */
const FOLDER = 0x10;
const MAX_COMMENT = 0xffff;
const ONE_PART = 'an archive of one part';
/** The list of entries: 32 MiB are several hundred thousand of them. */
const MAX_LIST = 2 ** 25;
const IN_64_BITS = 0xffffffff;

/** The entries of a zip archive by name. Errors: ERR_FORMAT for what is none, ERR_IO. */
export async function readZip(file: InputFile): Promise<Map<string, ZipEntry>> {
  const { start, size, count } = await findList(file);
  if (size > MAX_LIST) throw file.damaged(start, `a list of entries of at most ${MAX_LIST} bytes`, String(size));
  const list = Buffer.from((await file.read(start, size)).buffer);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    const [entry, bytes] = parseEntry(file, list, at, start);
    if (entries.has(entry.name)) throw file.damaged(start + at, 'names that differ', `'${entry.name}' twice`);
    entries.set(entry.name, entry);
    at += bytes;
  }
  return entries;
}

/**
 * Where the bytes of an entry begin in the file. Errors: ERR_FORMAT for an entry that is compressed or encrypted, or
 * lies outside the file.
 */
export async function dataOffset(file: InputFile, entry: ZipEntry): Promise<number> {
  if (entry.unreadable !== undefined)
    throw file.damaged(entry.header, `'${entry.name}' stored as it is`, entry.unreadable);
  return contentOffset(file, entry);
}

/**
 * The whole content of an entry, stored or compressed by deflate, of at most `most` bytes. Errors: ERR_FORMAT for a
 * larger entry, one that is packed otherwise, and damage; ERR_OOM.
 */
export async function readEntry(file: InputFile, entry: ZipEntry, most: number): Promise<Buffer> {
  const { name, size, packed, header } = entry;
  if (size > most) throw file.damaged(header, `at most ${most} bytes of '${name}'`, String(size));
  if (!entry.deflated)
    return checked(file, entry, Buffer.from((await file.read(await dataOffset(file, entry), size)).buffer));
  const bytes = await file.read(await contentOffset(file, entry), packed);
  const content = await inflate(bytes, { maxOutputLength: Math.max(1, size) }).catch((error: Error) => {
    throw file.damaged(header, `${size} intact bytes of '${name}'`, `damaged data (${error.message})`, error);
  });
  if (content.length !== size) throw file.damaged(header, `${size} bytes of '${name}'`, String(content.length));
  return checked(file, entry, content);
}

/** Errors: ERR_FORMAT for a content that is not the one that was written. */
function checked(file: InputFile, { name, header, check }: ZipEntry, content: Buffer): Buffer {
  if (crc32(content) !== check) throw file.damaged(header, `the checksum of '${name}'`, 'other bytes');
  return content;
}

async function contentOffset(file: InputFile, { name, packed, header }: ZipEntry): Promise<number> {
  const own = Buffer.from(name);
  const local = Buffer.from((await file.read(header, LOCAL_BYTES + own.length)).buffer);
  const named = local.readUInt16LE(26);
  if (local.readUInt32LE(0) !== LOCAL || named !== own.length || !own.equals(local.subarray(LOCAL_BYTES)))
    throw file.damaged(header, `the header of '${name}'`, 'other bytes');
  const offset = header + LOCAL_BYTES + named + local.readUInt16LE(28);
  if (offset + packed > file.size)
    throw file.damaged(header, `'${name}' within the file`, `${offset + packed - file.size} bytes beyond its end`);
  return offset;
}

async function findList(file: InputFile): Promise<{ start: number; size: number; count: number }> {
  const length = Math.min(file.size, END_BYTES + MAX_COMMENT);
  const from = file.size - length;
  const tail = Buffer.from((await file.read(from, length)).buffer);
  let at = length - END_BYTES;
  while (at >= 0 && tail.readUInt32LE(at) !== END) at--;
  if (at < 0) throw file.damaged(file.size, 'the end of a zip archive', 'none: the file may be cut off');
  const end = from + at;
  const list = {
    count: tail.readUInt16LE(at + 10),
    size: tail.readUInt32LE(at + 12),
    start: tail.readUInt32LE(at + 16),
  };
  const locator = end - LOCATOR_64_BYTES;
  const bytes = locator < 0 ? undefined : Buffer.from((await file.read(locator, LOCATOR_64_BYTES)).buffer);
  if (bytes?.readUInt32LE(0) !== LOCATOR_64) {
    // The numbers of this part and of that with the list, and the entries in this one.
    if (tail.readUInt32LE(at + 4) !== 0 || tail.readUInt16LE(at + 8) !== list.count)
      throw file.damaged(end, ONE_PART, 'one of several');
    return list;
  }
  const position = large(file, locator + 8, bytes.readBigUInt64LE(8));
  const end64 = Buffer.from((await file.read(position, END_64_BYTES)).buffer);
  if (end64.readUInt32LE(0) !== END_64)
    throw file.damaged(position, 'the end of a zip archive in 64 bits', 'other bytes');
  if (end64.readBigUInt64LE(16) !== 0n || end64.readBigUInt64LE(24) !== end64.readBigUInt64LE(32))
    throw file.damaged(position, ONE_PART, 'one of several');
  return {
    count: large(file, position + 32, end64.readBigUInt64LE(32)),
    size: large(file, position + 40, end64.readBigUInt64LE(40)),
    start: large(file, position + 48, end64.readBigUInt64LE(48)),
  };
}

/** The entry at `at` of the list, which begins at `start` of the file, and its number of bytes there. */
function parseEntry(file: InputFile, list: Buffer, at: number, start: number): [ZipEntry, number] {
  if (at + ENTRY_BYTES > list.length || list.readUInt32LE(at) !== ENTRY)
    throw file.damaged(
      start + at,
      'an entry of a zip archive',
      at + ENTRY_BYTES > list.length ? 'the end of the list' : 'other bytes',
    );
  const nameEnd = at + ENTRY_BYTES + list.readUInt16LE(at + 28);
  const extraEnd = nameEnd + list.readUInt16LE(at + 30);
  const next = extraEnd + list.readUInt16LE(at + 32);
  if (next > list.length)
    throw file.damaged(start + at, 'an entry within the list', `${next - list.length} bytes beyond it`);
  if (list.readUInt16LE(at + 34) !== 0) throw file.damaged(start + at, ONE_PART, 'one of several');
  const name = list.toString('utf8', at + ENTRY_BYTES, nameEnd);
  const flags = list.readUInt16LE(at + 8);
  const method = list.readUInt16LE(at + 10);
  const packed = list.readUInt32LE(at + 20);
  const sizes = { size: list.readUInt32LE(at + 24), packed, header: list.readUInt32LE(at + 42) };
  const entry = inFull(file, sizes, list.subarray(nameEnd, extraEnd), start + nameEnd);
  const unreadable =
    (flags & UNREADABLE_FLAGS) !== 0
      ? 'an encrypted entry, or a patch'
      : method !== 0
        ? `an entry compressed by method ${method}`
        : entry.packed !== entry.size
          ? `an entry of ${entry.packed} bytes that claims ${entry.size}`
          : entry.size > 0 && (list.readUInt32LE(at + 38) & FOLDER) !== 0
            ? 'a folder with content'
            : undefined;
  const deflated = method === 8 && (flags & UNREADABLE_FLAGS) === 0;
  return [{ name, ...entry, check: list.readUInt32LE(at + 16), deflated, unreadable }, next - at];
}

interface Sizes {
  size: number;
  packed: number;
  header: number;
}

/** The numbers of an entry, those of 64 bits from its extra field. */
function inFull(file: InputFile, sizes: Sizes, extra: Buffer, start: number): Sizes {
  const keys = (['size', 'packed', 'header'] as const).filter((key) => sizes[key] === IN_64_BITS);
  if (keys.length === 0) return sizes;
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    const full = { ...sizes };
    if (extra.readUInt16LE(at + 2) < 8 * keys.length || at + 4 + 8 * keys.length > extra.length) break;
    keys.forEach((key, i) => {
      full[key] = large(file, start + at + 4 + 8 * i, extra.readBigUInt64LE(at + 4 + 8 * i));
    });
    return full;
  }
  throw file.damaged(start, 'sizes in 64 bits', 'none');
}

/** A position or size of 64 bits, none of which is larger than the file. */
function large(file: InputFile, at: number, value: bigint): number {
  if (value > BigInt(file.size)) throw file.damaged(at, `a number of at most ${file.size}`, String(value));
  return Number(value);
}
