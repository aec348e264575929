// The pictures that a body holds: one by itself, several in a form, or any number in JSON.
import { decodeImage, type ImageShape } from '../data';
import { boundaryOf, parseMultipart } from './multipart';
import { Refusal } from './refusal';

/** So many pictures are decoded at a time: a decoded one may need a thousand times the bytes of its file. */
const DECODERS = 2;

/** The encoded pictures of a body. Refuses with 400 and 413. */
export function picturesOf(body: Buffer, contentType: string, most: number): Buffer[] {
  const [type] = contentType.toLowerCase().split(';') as [string];
  const pictures =
    type.trim() === 'multipart/form-data'
      ? ofForm(body, contentType, most)
      : type.trim() === 'application/json'
        ? ofJson(body, most)
        : [body];
  if (pictures.length > most) throw new Refusal(413, `expected at most ${most} images in a request`);
  if (pictures.some(({ length }) => length === 0)) throw new Refusal(400, 'expected an image but received nothing');
  return pictures;
}

function ofForm(body: Buffer, contentType: string, most: number): Buffer[] {
  const boundary = boundaryOf(contentType);
  if (boundary === undefined) throw new Refusal(400, 'expected a boundary in the content type');
  const files = parseMultipart(body, boundary, most + 16).filter(({ file }) => file);
  if (files.length === 0) throw new Refusal(400, 'expected a file in the form');
  return files.map(({ bytes }) => bytes);
}

/** `{"image": base64}` or `{"images": [base64, ...]}`, with or without the head of a data URL. */
function ofJson(body: Buffer, most: number): Buffer[] {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw new Refusal(400, 'expected JSON but received something else');
  }
  const { image, images } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const list = image === undefined ? images : [image];
  if (!Array.isArray(list) || list.length === 0 || (image !== undefined && images !== undefined))
    throw new Refusal(400, 'expected {"image": base64} or {"images": [base64, ...]}');
  if (list.length > most) throw new Refusal(413, `expected at most ${most} images in a request`);
  return list.map((text, n) => {
    const base64 = typeof text === 'string' ? text.replace(/^data:[^,]{0,100};base64,/, '').replace(/\s+/g, '') : '';
    if (base64 === '' || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64))
      throw new Refusal(400, `expected base64 as image ${n + 1}`);
    return Buffer.from(base64, 'base64');
  });
}

/** Decodes pictures to the bytes that a network takes, a few at a time. */
export class Decoder {
  #free = DECODERS;
  readonly #waiting: (() => void)[] = [];

  constructor(
    private readonly shape: ImageShape,
    private readonly maxPixels: number,
  ) {}

  /**
   * The pixels (C, H, W) of each picture. Errors: ERR_FORMAT with the number of the picture; the reason of the signal.
   */
  async decode(pictures: readonly Buffer[], signal: AbortSignal): Promise<Uint8Array[]> {
    const decoded: Uint8Array[] = [];
    for (const [n, picture] of pictures.entries()) {
      if (this.#free > 0) this.#free--;
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
      try {
        signal.throwIfAborted();
        decoded.push(await decodeImage(picture, this.shape, { name: `image ${n + 1}`, maxPixels: this.maxPixels }));
      } finally {
        const next = this.#waiting.shift();
        if (next === undefined) this.#free++;
        else next();
      }
    }
    return decoded;
  }
}
