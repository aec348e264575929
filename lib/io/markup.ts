/** Text for HTML, SVG and attributes in double quotes; control characters become spaces. */
export function escaped(text: string): string {
  return text.replace(
    /[&<>"\u0000-\u0008\u000b-\u001f\u007f]/g,
    (found) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[found] ?? ' ',
  );
}
