// JSON.parse keeps the last of two equal keys in silence; a file format that forbids them has to check by itself.

/**
 * The first key that occurs twice in one object of `text`, or undefined. `text` must be valid JSON.
 * Keys are compared after their escapes are undone.
 */
export function duplicateKey(text: string): string | undefined {
  const open: (Set<string> | null)[] = []; // the keys of each enclosing object; null for an array
  let keyNext = false;
  for (let i = 0; i < text.length; i++) {
    const mark = text[i];
    if (mark === '{') {
      open.push(new Set());
      keyNext = true;
    } else if (mark === '[') {
      open.push(null);
      keyNext = false;
    } else if (mark === '}' || mark === ']') {
      open.pop();
      keyNext = false;
    } else if (mark === ',') {
      keyNext = open[open.length - 1] instanceof Set;
    } else if (mark === '"') {
      const end = closingQuote(text, i);
      const keys = open[open.length - 1];
      if (keyNext && keys) {
        const key = JSON.parse(text.slice(i, end + 1)) as string;
        if (keys.has(key)) return key;
        keys.add(key);
        keyNext = false;
      }
      i = end;
    }
  }
  return undefined;
}

function closingQuote(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') return i;
  }
  return text.length;
}
