// JSON Lines that survive a killed process: every line is written at once, and a torn last line is forgotten.
import { open, readFile, type FileHandle } from 'node:fs/promises';

import { OneSpikeError } from '../errors';
import { atomicWrite, ioError, writeAll } from './atomic';

export type JsonObject = Record<string, unknown>;

/** What a file of JSON Lines holds; `torn` tells that it ends in the beginning of a line, which is left out. */
export interface JsonLines {
  records: JsonObject[];
  torn: boolean;
}

/**
 * Reads a file of JSON Lines, one object per line.
 * Errors: ERR_IO; ERR_FORMAT with the line number if any line but the last is damaged.
 */
export async function readJsonLines(path: string): Promise<JsonLines> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw ioError('read', path, error);
  }
  const { records, torn } = parse(bytes, path);
  return { records, torn };
}

/** Appends objects to a file of JSON Lines. Calls are written in their order, whether awaited or not. */
export class JsonLinesWriter {
  readonly path: string;
  private readonly handle: FileHandle;
  private queue: Promise<void> = Promise.resolve();
  private closed = false;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.handle = handle;
  }

  /**
   * Opens or creates the file; a torn last line is cut off, so that the next one does not grow onto it.
   * `keep` chooses the records that stay, for instance those before a checkpoint (all by default).
   * Errors: ERR_IO, ERR_FORMAT as `readJsonLines`.
   */
  static async open(path: string, keep: (record: JsonObject) => boolean = () => true): Promise<JsonLinesWriter> {
    const { records, whole } = parse(await readIfThere(path), path);
    const kept = records.filter(keep);
    if (!whole || kept.length < records.length) await atomicWrite(path, kept.map(line).join(''));
    try {
      return new JsonLinesWriter(path, await open(path, 'a'));
    } catch (error) {
      throw ioError('open', path, error);
    }
  }

  /** Errors: ERR_STATE after `close`, ERR_IO. */
  append(record: JsonObject): Promise<void> {
    if (this.closed) return Promise.reject(new OneSpikeError('ERR_STATE', `Expected an open file for ${this.path} but received a closed one`));
    const bytes = Buffer.from(line(record));
    const written = this.queue.then(() => writeAll(this.handle, bytes)).catch((error: unknown) => {
      throw ioError('write', this.path, error);
    });
    // A failed line is reported to its caller and does not hold up the next one.
    this.queue = written.catch(() => undefined);
    return written;
  }

  /** Flushes to disk and closes; idempotent. Errors: ERR_IO. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.queue;
    try {
      await this.handle.sync();
    } catch (error) {
      throw ioError('write', this.path, error);
    } finally {
      await this.handle.close();
    }
  }
}

async function readIfThere(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return Buffer.alloc(0);
    throw ioError('read', path, error);
  }
}

function line(record: JsonObject): string {
  return `${JSON.stringify(record)}\n`;
}

/** `whole`: the file consists of complete lines and can be appended to as it is. */
function parse(bytes: Buffer, path: string): JsonLines & { whole: boolean } {
  const lines = bytes.toString('utf8').split('\n');
  const last = lines.length - 1;  // what follows the last newline: nothing, unless the line is torn
  const records: JsonObject[] = [];
  let torn = false;
  lines.forEach((text, index) => {
    if (index === last && text === '') return;
    const record = parseObject(text);
    if (record !== undefined) records.push(record);
    else if (index === last) torn = true;
    else throw new OneSpikeError('ERR_FORMAT', `Expected a JSON object for ${path}, line ${index + 1}, but received ${JSON.stringify(text.slice(0, 40))}`);
  });
  return { records, torn, whole: lines[last] === '' };
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
