// JSON Lines of a process that may have been killed while it wrote: a torn last line is forgotten.
import { readFile } from 'node:fs/promises';

import { isObject } from '../check';
import { OneSpikeError } from '../errors';
import { ioError } from './system-error';

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
  return parse(bytes, path);
}

function parse(bytes: Buffer, path: string): JsonLines {
  const lines = bytes.toString('utf8').split('\n');
  const last = lines.length - 1; // what follows the last newline: nothing, unless the line is torn
  const records: JsonObject[] = [];
  let torn = false;
  lines.forEach((text, index) => {
    if (index === last && text === '') return;
    const record = parseObject(text);
    if (record !== undefined) records.push(record);
    else if (index === last) torn = true;
    else
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected a JSON object for ${path}, line ${index + 1}, but received ${JSON.stringify(text.slice(0, 40))}`,
      );
  });
  return { records, torn };
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
