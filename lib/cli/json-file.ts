// Files of JSON, with comments, that a person names on the command line; every fault in them is wrong usage.
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { decodeText, parseCommentedJson } from '../io/json-text';
import { asUsage, UsageError } from './usage';

/**
 * The value in a file, or on standard input for `-`. The hints say how to come by a file, and what is wrong with this
 * one.
 */
export async function readJsonFile(name: string, hints: { missing: string; fault: string }): Promise<unknown> {
  const title = name === '-' ? 'standard input' : name;
  const bytes = await (name === '-' ? buffer(process.stdin) : readFile(name)).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      `Could not read ${title}: ${error.code === 'ENOENT' ? 'no such file' : error.message}`,
      hints.missing,
    );
  });
  return asUsage(() => parseCommentedJson(decodeText(bytes), title), hints.fault);
}
