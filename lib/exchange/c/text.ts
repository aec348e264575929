// Numbers and tables as C has them.

/** A float that C reads as the same one: nine digits tell 32-bit floats apart. */
export function floatText(value: number): string {
  const digits = String(Number(value.toPrecision(9)));
  return `${/[.e]/.test(digits) ? digits : `${digits}.0`}f`;
}

const COLUMNS = 116;

/** A constant table. */
export function table(type: string, name: string, values: ArrayLike<number>): string {
  const float = type === 'float';
  const lines: string[] = [];
  let line = '   ';
  for (let i = 0; i < values.length; i++) {
    const text = ` ${float ? floatText(values[i]!) : values[i]},`;
    if (line.length + text.length > COLUMNS) {
      lines.push(line);
      line = '   ';
    }
    line += text;
  }
  lines.push(line);
  return `static const ${type} ${name}[${values.length}] = {\n${lines.join('\n')}\n};\n`;
}

/** A text as it may stand in a comment. */
export function comment(text: string): string {
  return text.replaceAll('*/', '* /').replace(/[^\x20-\x7e]/g, '?');
}

/** A text as a string literal; trigraphs, of which C99 knows some, cannot arise. */
export function stringText(text: string): string {
  const bytes = [...Buffer.from(text)];
  // Octal escapes end after three digits, whatever follows.
  const escaped = (byte: number): string =>
    byte < 0x20 || byte > 0x7e || byte === 0x22 || byte === 0x5c || byte === 0x3f
      ? `\\${byte.toString(8).padStart(3, '0')}`
      : String.fromCharCode(byte);
  return `"${bytes.map(escaped).join('')}"`;
}
