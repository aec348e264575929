// Tables of Markdown.

/** A heading and rows as a table of Markdown. */
export function markdown([heading, ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  return line(heading!) + line(heading!.map(() => '---')) + rows.map(line).join('');
}
