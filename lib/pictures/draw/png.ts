// PNG files of a few colours or of whole images. ISO/IEC 15948.
import { deflateSync } from 'node:zlib';
import { PNG_MAGIC } from '../../data/pictures/png';
import { crc32 } from '../../io/binary/crc';

/** Colours as bytes of red, green and blue; one that is `null` is transparent. */
export type Palette = readonly (readonly [number, number, number] | null)[];

/** One byte per pixel, a position in a palette of at most 256 colours. */
export function palettePng(indices: Uint8Array, width: number, palette: Palette): Buffer {
  const colours = Buffer.from(palette.flatMap((colour) => [...(colour ?? [0, 0, 0])]));
  const opacity = Buffer.from(palette.map((colour) => (colour === null ? 0 : 255)));
  return encode(indices, width, 1, 3, [chunk('PLTE', colours), chunk('tRNS', opacity)]);
}

/** An image (C, H, W) of one or three channels. */
export function imagePng(pixels: Uint8Array, channels: number, width: number): Buffer {
  if (channels === 1) return encode(pixels, width, 1, 0);
  const plane = pixels.length / channels;
  const interleaved = new Uint8Array(plane * 3);
  for (let i = 0; i < plane; i++) for (let c = 0; c < 3; c++) interleaved[3 * i + c] = pixels[c * plane + i]!;
  return encode(interleaved, width, 3, 2);
}

function encode(data: Uint8Array, width: number, bytes: number, colourType: number, chunks: Buffer[] = []): Buffer {
  const row = width * bytes;
  const height = data.length / row;
  // Every row begins with the number of its filter: none.
  const rows = Buffer.alloc(height * (row + 1));
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * row, (y + 1) * row), y * (row + 1) + 1);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, colourType, 0, 0, 0], 8);
  const parts = [chunk('IHDR', header), ...chunks, chunk('IDAT', deflateSync(rows, { level: 9 }))];
  return Buffer.concat([PNG_MAGIC, ...parts, chunk('IEND', Buffer.alloc(0))]);
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

export function dataUri(png: Buffer): string {
  return `data:image/png;base64,${png.toString('base64')}`;
}
