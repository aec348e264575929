import { SeededRandom } from '../../lib/data';
import { decodeText, parseCommentedJson, parseJson } from '../../lib/io/json-text';

const refusal = (text: string, read = parseJson): string => {
  try {
    return `taken: ${JSON.stringify(read(text, 'c.json'))}`;
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message.replace('Expected JSON in c.json but received ', '')}`;
  }
};

test.each([
  ['{"a": 1,}', 'ERR_FORMAT: "}" at line 1, column 9'],
  [
    '{\n  "a": 1,\n  // why\n  "b": 2\n}',
    'ERR_FORMAT: "// why", a comment, which JSON does not have at line 3, column 3',
  ],
  ['{"a": [1, 2}', 'ERR_FORMAT: "}" at line 1, column 12'],
  ['{"snn": ', 'ERR_FORMAT: the end of the text at line 1, column 9'],
  ['', 'ERR_FORMAT: the end of the text at line 1, column 1'],
  ['{a: 1}', 'ERR_FORMAT: "a: 1}" at line 1, column 2'],
  ["{'a': 1}", 'ERR_FORMAT: "\'a\': 1}" at line 1, column 2'],
  ['{"a" 1}', 'ERR_FORMAT: "1}" at line 1, column 6'],
  ['{"a": 01}', 'ERR_FORMAT: "01}" at line 1, column 7'],
  ['[1 2]', 'ERR_FORMAT: "2]" at line 1, column 4'],
  ['{"a": NaN}', 'ERR_FORMAT: "NaN}" at line 1, column 7'],
  ['{"a": "x\ny"}', 'ERR_FORMAT: "\\"x" at line 1, column 7'],
  ['{"a": "\\x"}', 'ERR_FORMAT: "\\"\\\\x\\"}" at line 1, column 7'],
  ['{} {}', 'ERR_FORMAT: "{}" at line 1, column 4'],
  ['{"a": -1.5e-3, "b": [[], {}, "\\u00e9"]}', 'taken: {"a":-0.0015,"b":[[],{},"é"]}'],
])('%j', (text, result) => {
  expect(refusal(text)).toBe(result);
});

describe('with comments', () => {
  test.each([
    ['{"a": 1, // one\n "b": [1, 2, /* three */],\n}', 'taken: {"a":1,"b":[1,2]}'],
    [
      '// a\r\n/* b\n * c */ {"url": "http://x/*y*/", "q": "\\"// no"}',
      'taken: {"url":"http://x/*y*/","q":"\\"// no"}',
    ],
    ['{"a": 1 /* , */ }//', 'taken: {"a":1}'],
    ['{"a": [[1,],],}', 'taken: {"a":[[1]]}'],
    ['{"a": 1,,}', 'ERR_FORMAT: ",}" at line 1, column 9'],
    ['[,]', 'ERR_FORMAT: ",]" at line 1, column 2'],
    ['{,}', 'ERR_FORMAT: ",}" at line 1, column 2'],
    ['{"a":,}', 'ERR_FORMAT: ",}" at line 1, column 6'],
    [',', 'ERR_FORMAT: "," at line 1, column 1'],
    ['{"a": 1,', 'ERR_FORMAT: the end of the text at line 1, column 9'],
    [
      '{\n  "a": 1 /* never\n}',
      'ERR_FORMAT: "/* never", a comment that is not allowed here or does not end at line 2, column 10',
    ],
    ['{\n  # why\n}', 'ERR_FORMAT: "# why", which begins no comment in JSON at line 2, column 3'],
    ['{\n  /* two\n lines */ "a" 1}', 'ERR_FORMAT: "1}" at line 3, column 15'],
    ['{"a": 1 / 2}', 'ERR_FORMAT: "/ 2}" at line 1, column 9'],
    ['{"a": "x // y\n}', 'ERR_FORMAT: "\\"x // y" at line 1, column 7'],
    ['', 'ERR_FORMAT: the end of the text at line 1, column 1'],
  ])('%j', (text, result) => {
    expect(refusal(text, parseCommentedJson)).toBe(result);
  });

  test('comments and last commas anywhere change nothing', () => {
    const value = { a: [1, -2.5e3, { b: 'x, y: {"z"} // \\', c: [] }], d: { e: null, f: [true, false] } };
    const random = new SeededRandom(1);
    const tokens = JSON.stringify(value).match(/"(?:[^"\\]|\\.)*"|[\w.+-]+|[^]/g)!;
    const extras = ['', '', ' ', '\n', '// x, ]\n', '/* "{, */', '/***/'];
    for (let i = 0; i < 100; i++) {
      const text = tokens
        .map((token, index) => {
          const comma = /^[\]}]$/.test(token) && !/^[[{]$/.test(tokens[index - 1]!) && random.below(2) === 1;
          return `${extras[random.below(extras.length)]}${comma ? ',' : ''}${token}`;
        })
        .join('');
      expect(parseCommentedJson(text, 'c.json')).toEqual(value);
    }
  });
});

test('a fault anywhere is found where it was put', () => {
  const good = JSON.stringify(
    { a: [1, -2.5e3, { b: 'x, y: {"z"}', c: [] }], d: { e: null, f: [true, false] } },
    null,
    2,
  );
  const random = new SeededRandom(1);
  for (let i = 0; i < 300; i++) {
    const at = random.below(good.length);
    const spoilt = `${good.slice(0, at)}@${good.slice(at)}`;
    const message = refusal(spoilt);
    if (message.startsWith('taken')) continue; // within a string
    const [, line, column] = /at line (\d+), column (\d+)$/.exec(message)!.map(Number);
    const offset =
      spoilt
        .split('\n')
        .slice(0, line! - 1)
        .join('\n').length +
      (line! > 1 ? 1 : 0) +
      column! -
      1;
    // At the fault, or at the beginning of the token that it has spoilt.
    expect(offset).toBeLessThanOrEqual(at);
    expect(spoilt.slice(offset, at)).toMatch(/^("[^\n]*|[\w.+-]*)$/);
  }
});

test('byte order marks are no part of the text', () => {
  const text = '{"a": "é"}';
  const utf16 = Buffer.from(`\ufeff${text}`, 'utf16le');
  for (const bytes of [Buffer.from(text), Buffer.from(`\ufeff${text}`), utf16, Buffer.from(utf16).swap16()])
    expect(decodeText(bytes)).toBe(text);
});
