// A PNG encoder for tests, written from the standard and independent of the decoder under test.
import { deflateSync } from 'node:zlib';

/** Bit by bit, as the standard's definition has it. */
export function crc32Of(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

export function pngChunk(type: string, content: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(content.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32Of(body), body.length + 4);
  return chunk;
}

export interface PngSpec {
  width: number;
  height: number;
  depth: number;
  colour: 0 | 2 | 3 | 4 | 6;
  /** Samples in file order, each 0..2^depth-1. */
  samples: ArrayLike<number>;
  /** Filter type of row y. */
  filterOf?: (y: number) => number;
  palette?: number[];
  transparency?: number[];
  interlace?: number;
  /** Number of IDAT chunks. */
  parts?: number;
}

export function encodePng(spec: PngSpec): Buffer {
  const { width, height, depth, colour, samples } = spec;
  const perPixel = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[colour];
  const rowBytes = Math.ceil((width * perPixel * depth) / 8);
  const pixelBytes = Math.max(1, (perPixel * depth) >> 3);
  const raw: Buffer[] = [];
  for (let y = 0; y < height; y++) {
    const row = Buffer.alloc(rowBytes);
    for (let i = 0; i < width * perPixel; i++) {
      const sample = samples[y * width * perPixel + i]!;
      if (depth === 16) row.writeUInt16BE(sample, 2 * i);
      else row[(i * depth) >> 3]! |= sample << (8 - depth - ((i * depth) & 7));
    }
    raw.push(row);
  }
  const filtered = raw.map((row, y) => {
    const filter = spec.filterOf?.(y) ?? 0;
    const above = y > 0 ? raw[y - 1]! : Buffer.alloc(rowBytes);
    const out = Buffer.alloc(rowBytes + 1);
    out[0] = filter;
    for (let i = 0; i < rowBytes; i++) {
      const a = i >= pixelBytes ? row[i - pixelBytes]! : 0;
      const b = above[i]!;
      const c = i >= pixelBytes ? above[i - pixelBytes]! : 0;
      const p = a + b - c;
      const nearest = [a, b, c].reduce((best, value) => (Math.abs(p - value) < Math.abs(p - best) ? value : best));
      out[i + 1] = row[i]! - [0, a, b, Math.floor((a + b) / 2), nearest][filter]!;
    }
    return out;
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colour, 0, 0, spec.interlace ?? 0], 8);
  const data = deflateSync(Buffer.concat(filtered));
  const step = Math.ceil(data.length / (spec.parts ?? 1));
  const chunks = [pngChunk('IHDR', header)];
  if (spec.palette !== undefined) chunks.push(pngChunk('PLTE', Uint8Array.from(spec.palette)));
  if (spec.transparency !== undefined) chunks.push(pngChunk('tRNS', Uint8Array.from(spec.transparency)));
  for (let at = 0; at < data.length; at += step) chunks.push(pngChunk('IDAT', data.subarray(at, at + step)));
  return Buffer.concat([
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
    ...chunks,
    pngChunk('IEND', new Uint8Array(0)),
  ]);
}
