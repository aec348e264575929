// Reads the part of YAML that an example needs: blocks of keys and of items by their indentation, and values in one
// line. Whatever else comes is an error.

interface Line {
  indent: number;
  text: string;
}

/** The value of a document. */
export function yamlOf(document: string): unknown {
  const lines = document
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line): Line => ({ indent: line.search(/\S/), text: line.trim() }));
  const value = block(lines, 0);
  if (lines.length > 0) throw new Error(`Expected no more lines but received '${lines[0]!.text}'`);
  return value;
}

/** The block whose lines are indented by `indent`; they are taken from `lines`. */
function block(lines: Line[], indent: number): unknown {
  if (lines[0]?.text.startsWith('- ') === true) {
    const items: unknown[] = [];
    while (lines[0]?.indent === indent && lines[0].text.startsWith('- ')) {
      // What follows the dash is the first line of the item's own block.
      lines[0] = { indent: indent + 2, text: lines[0].text.slice(2) };
      items.push(block(lines, indent + 2));
    }
    return items;
  }
  const keys: Record<string, unknown> = {};
  while (lines[0]?.indent === indent) {
    const [, key, value] = /^(\w+):(?: (.+))?$/.exec(lines[0].text) ?? [];
    if (key === undefined) throw new Error(`Expected a key but received '${lines[0].text}'`);
    lines.shift();
    if (value === undefined && !((lines[0]?.indent ?? 0) > indent)) throw new Error(`Expected a value of ${key}`);
    keys[key] = value === undefined ? block(lines, lines[0]!.indent) : scalar(value);
  }
  return keys;
}

/** A value in one line: a list, a mapping, or a word. */
function scalar(text: string): unknown {
  if (!/^[[{]/.test(text)) return /^\d+$/.test(text) ? Number(text) : text.replace(/^"(.*)"$/, '$1');
  // With its words in quotes it is JSON.
  return JSON.parse(
    text.replace(/"[^"]*"|[^\s,:[\]{}"]+/g, (word) => (/^(?:".*"|\d+)$/.test(word) ? word : `"${word}"`)),
  );
}
