// JSON that people have written: read whatever editors put before it, and refused with the place of the first fault.
import { OneSpikeError } from '../errors';

/**
 * The text of a file in UTF-8 or, with a byte order mark, UTF-16, as PowerShell and Notepad write it; the mark is left
 * out.
 */
export function decodeText(bytes: Uint8Array): string {
  const [first, second] = bytes;
  const encoding =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
  return new TextDecoder(encoding).decode(bytes);
}

/** Errors: ERR_FORMAT with `name`, line, column, and what stands there. */
export function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw formatError(text, firstFault(text), name, cause);
  }
}

/**
 * JSON with comments, `//` to the end of the line or between `/*` and its end, and with commas after the last entry of
 * an object or a list. Errors: as of `parseJson`.
 */
export function parseCommentedJson(text: string, name: string): unknown {
  const plain = withoutComments(text);
  try {
    return JSON.parse(plain);
  } catch (cause) {
    // What is left out leaves spaces: the place of the fault is that in the file.
    throw formatError(text, firstFault(plain), name, cause);
  }
}

function formatError(text: string, at: number, name: string, cause: unknown): OneSpikeError {
  const before = text.slice(0, at).split('\n');
  const place = `line ${before.length}, column ${before.at(-1)!.length + 1}`;
  const rest = text.slice(at, at + 20).split('\n')[0]!;
  const note = notes.find(([start]) => rest.startsWith(start))?.[1] ?? '';
  const received = at >= text.length ? 'the end of the text' : `${JSON.stringify(rest)}${note}`;
  return new OneSpikeError('ERR_FORMAT', `Expected JSON in ${name} but received ${received} at ${place}`, { cause });
}

const notes = [
  ['//', ', a comment, which JSON does not have'],
  ['/*', ', a comment that is not allowed here or does not end'],
  ['#', ', which begins no comment in JSON'],
] as const;

// Strings, which may hold what looks like a comment; comments; spaces; and the rest, commas and brackets alone.
const jsonToken = /"(?:[^"\\\n]|\\.)*"?|\/\/[^\n]*|\/\*[^]*?\*\/|\s+|[^\s"/,{}[\]:]+|[^]/g;

/** `text` with spaces in place of comments, and of commas between the last entry of an object or a list and its end. */
function withoutComments(text: string): string {
  const parts: string[] = [];
  // The last token that is neither a space nor a comment, and where it is.
  let last = '';
  let at = -1;
  let afterValue = false;
  for (const [token] of text.matchAll(jsonToken)) {
    if (token.length > 1 && token.startsWith('/')) parts.push(token.replace(/[^\r\n]/g, ' '));
    else if (token.trim() !== '') {
      if (last === ',' && afterValue && (token === '}' || token === ']')) parts[at] = ' ';
      if (token === ',') afterValue = !['', '[', '{', ',', ':'].includes(last);
      last = token;
      at = parts.push(token) - 1;
    } else parts.push(token);
  }
  return parts.join('');
}

const space = /[ \t\n\r]*/y;
const scalar = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])/y;
// Escapes are checked, control characters are not part of a string.
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/y;

/**
 * Where `text`, which is no JSON, stops being the beginning of some: the offset of the first token that may not stand
 * there. The messages of JSON.parse differ from version to version, and not all of them say it.
 */
function firstFault(text: string): number {
  let at = 0;
  const take = (token: RegExp): boolean => {
    token.lastIndex = at;
    const length = token.exec(text)?.[0].length ?? 0;
    at += length;
    return length > 0;
  };
  const skipSpace = (): string => {
    take(space);
    return text[at] ?? '';
  };
  // The brackets that are open, and what may come next.
  const open: string[] = [];
  let next: 'value' | 'key' | 'first key' | 'first value' | 'end' = 'value';
  for (;;) {
    const mark = skipSpace();
    if (next === 'end') {
      if (open.length === 0) return at;
      const close = open.at(-1) === '{' ? '}' : ']';
      if (mark === close) open.pop();
      else if (mark === ',') next = open.at(-1) === '{' ? 'key' : 'value';
      else return at;
      at++;
    } else if ((next === 'first key' && mark === '}') || (next === 'first value' && mark === ']')) {
      open.pop();
      at++;
      next = 'end';
    } else if (next === 'key' || next === 'first key') {
      if (!take(string)) return at;
      if (skipSpace() !== ':') return at;
      at++;
      next = 'value';
    } else if (mark === '{' || mark === '[') {
      open.push(mark);
      at++;
      next = mark === '{' ? 'first key' : 'first value';
    } else {
      if (!take(string) && !take(scalar)) return at;
      next = 'end';
    }
  }
}
