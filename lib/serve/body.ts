// The bytes of a request, within limits of size and time.
import type { IncomingMessage } from 'node:http';
import { Refusal } from './refusal';

/** How many bytes all requests together may have in memory: so many bodies of the largest size. */
const BODIES = 8;
/** What a client may still send to a request that is answered already before its connection is cut. */
const DRAIN_BYTES = 2 ** 26;
const DRAIN_MS = 5000;

/** Reads bodies; what all of them hold together is bounded. */
export class BodyReader {
  #held = 0;

  constructor(private readonly maxBytes: number) {}

  /**
   * Reads the body of a request and does the work with it, for as long as it counts as held. Refuses with 413 what is
   * larger than the limit, with 415 what is compressed, with 503 what does not fit beside the others; rejects with the
   * reason of the signal.
   */
  async use<T>(request: IncomingMessage, signal: AbortSignal, work: (body: Buffer) => Promise<T>): Promise<T> {
    const encoding = request.headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity')
      throw new Refusal(415, `expected a body that is not compressed but received ${encoding}`);
    const held = { bytes: 0 };
    try {
      return await work(await this.#read(request, signal, held));
    } finally {
      this.#held -= held.bytes;
    }
  }

  #read(request: IncomingMessage, signal: AbortSignal, held: { bytes: number }): Promise<Buffer> {
    const tooLarge = (): Refusal => new Refusal(413, `expected a body of at most ${this.maxBytes} bytes`);
    if (Number(request.headers['content-length'] ?? 0) > this.maxBytes) throw tooLarge();
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      const onData = (chunk: Buffer): void => {
        held.bytes += chunk.length;
        this.#held += chunk.length;
        if (held.bytes > this.maxBytes) fail(tooLarge());
        else if (this.#held > BODIES * this.maxBytes)
          fail(new Refusal(503, 'too many requests are being read', { 'retry-after': '1' }));
        else chunks.push(chunk);
      };
      const onEnd = (): void => {
        stop();
        resolve(Buffer.concat(chunks));
      };
      const onAbort = (): void => fail(signal.reason);
      const onClose = (): void => fail(new Refusal(400, 'the body ended early'));
      const stop = (): void => {
        request.off('data', onData).off('end', onEnd).off('error', onClose).off('close', onClose);
        signal.removeEventListener('abort', onAbort);
      };
      const fail = (error: unknown): void => {
        stop();
        reject(error as Error);
      };
      request.on('data', onData).on('end', onEnd).on('error', onClose).on('close', onClose);
      signal.addEventListener('abort', onAbort);
    });
  }
}

/**
 * Takes what a client still sends after its request was refused, so that it reads the answer instead of a broken
 * connection; one that goes on for too long is cut off.
 */
export function drain(request: IncomingMessage): void {
  if (request.complete) return;
  let bytes = 0;
  const cut = (): void => void request.socket.destroy();
  const timer = setTimeout(cut, DRAIN_MS).unref();
  request.on('error', () => undefined);
  request.on('close', () => clearTimeout(timer));
  request.on('end', () => clearTimeout(timer));
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > DRAIN_BYTES) cut();
  });
  request.resume();
}
