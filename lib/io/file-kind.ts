// What a file is, by its first bytes: for errors that say what was named in place of what is read.

/** Bytes at the start of a file from which `fileKind` tells all that it knows. */
export const KIND_BYTES = 262;

const signatures: readonly [text: string, at: number, kind: FileKind][] = [
  ['PK\x03\x04', 0, 'a zip archive'],
  ['\x1f\x8b', 0, 'a gzip archive'],
  ['ustar', 257, 'a tar archive'],
  ['\x89HDF\r\n\x1a\n', 0, 'an HDF5 file'],
  ['\x80\x02', 0, 'a Python pickle'],
  ['{', 0, 'JSON'],
];

/** The kinds of files that are recognised, as words. */
export type FileKind =
  | 'a zip archive'
  | 'a gzip archive'
  | 'a tar archive'
  | 'an HDF5 file'
  | 'a Python pickle'
  | 'JSON';

/** The kind of a file that begins with these bytes; undefined if they are none of those that are known here. */
export function fileKind(head: Buffer): FileKind | undefined {
  return signatures.find(([text, at]) => head.toString('latin1', at, at + text.length) === text)?.[2];
}
