// The parts of a body of the type multipart/form-data (RFC 7578), as browsers and curl -F send it.
import { Refusal } from './refusal';

const MAX_HEADER = 8192;

/** One part of a form. */
export interface Part {
  /** The name of its field. */
  name: string;
  /** Whether it is a file. */
  file: boolean;
  bytes: Buffer;
}

/** The text that separates the parts, from the content type; undefined if it names none. */
export function boundaryOf(contentType: string): string | undefined {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType) ?? [];
  return quoted ?? plain;
}

/** Refuses with 400 what is no such body, and with 413 more than `most` parts. */
export function parseMultipart(body: Buffer, boundary: string, most: number): Part[] {
  const mark = Buffer.from(`--${boundary}`);
  const parts: Part[] = [];
  let at = body.indexOf(mark);
  if (at < 0) throw malformed('a first boundary');
  for (;;) {
    at += mark.length;
    if (body.toString('latin1', at, at + 2) === '--') return parts;
    // Blanks may follow a boundary.
    while (body[at] === 0x20 || body[at] === 0x09) at++;
    if (body.toString('latin1', at, at + 2) !== '\r\n') throw malformed('a line break after a boundary');
    // A part without headers begins with an empty line.
    const end = body.indexOf('\r\n\r\n', at);
    if (end < 0 || end - at > MAX_HEADER) throw malformed(`headers of at most ${MAX_HEADER} bytes in every part`);
    const next = body.indexOf(Buffer.concat([Buffer.from('\r\n'), mark]), end + 2);
    if (next < 0) throw malformed('a last boundary');
    if (parts.length === most) throw new Refusal(413, `expected at most ${most} parts`);
    const headers = body.toString('utf8', at + 2, end);
    const disposition = /^content-disposition:(.*)$/im.exec(headers)?.[1] ?? '';
    parts.push({
      name: /;\s*name="([^"]*)"/i.exec(disposition)?.[1] ?? '',
      file:
        /;\s*filename\*?=/i.test(disposition) || /^content-type:\s*(image\/|application\/octet-stream)/im.test(headers),
      bytes: body.subarray(Math.min(end + 4, next), next),
    });
    at = next + 2;
  }
}

function malformed(what: string): Refusal {
  return new Refusal(400, `expected ${what} in the multipart body`);
}
