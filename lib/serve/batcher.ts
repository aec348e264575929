// Images of concurrent requests, answered together: while one batch is computed the next one gathers.
import type { Answer } from './answers';
import { Refusal } from './refusal';

/** What answers a batch of images (n, C, H, W), in their order. */
export type AnswerBatch = (pixels: Uint8Array) => Promise<Answer[]>;

interface Waiting {
  pixels: Uint8Array;
  resolve: (answer: Answer) => void;
  reject: (error: unknown) => void;
}

/** A queue of images before a network that answers batches of them, one after the other. */
export class Batcher {
  readonly #waiting: Waiting[] = [];
  #work: Promise<void> | undefined;

  /** `batch` images at most are answered together, `queue` at most wait. */
  constructor(
    private readonly answer: AnswerBatch,
    private readonly limits: { batch: number; queue: number },
  ) {}

  /** The number of images that wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * The answers for the images of one request, all of them or none. Rejects with 503 where they do not fit into the
   * queue, and with the reason of the signal when it fires: images that still wait then leave the queue.
   */
  async submit(images: readonly Uint8Array[], signal: AbortSignal): Promise<Answer[]> {
    const { queue } = this.limits;
    if (this.#waiting.length + images.length > queue)
      throw new Refusal(503, `the queue is full: ${this.#waiting.length} of ${queue} images wait`, {
        'retry-after': '1',
      });
    signal.throwIfAborted();
    const entries: Waiting[] = [];
    const answers = images.map(
      (pixels) =>
        new Promise<Answer>((resolve, reject) => {
          entries.push({ pixels, resolve, reject });
        }),
    );
    const leave = (): void => {
      for (const entry of entries) {
        const place = this.#waiting.indexOf(entry);
        if (place >= 0) this.#waiting.splice(place, 1);
        entry.reject(signal.reason);
      }
    };
    signal.addEventListener('abort', leave);
    this.#waiting.push(...entries);
    this.#work ??= this.#run();
    try {
      return await Promise.all(answers);
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  /** Resolves when nothing waits and nothing is computed. */
  async idle(): Promise<void> {
    while (this.#work !== undefined) await this.#work;
  }

  async #run(): Promise<void> {
    // Requests that arrived in the same turn of the event loop are of one batch.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0) await this.#next();
    this.#work = undefined;
  }

  async #next(): Promise<void> {
    const group = this.#waiting.splice(0, this.limits.batch);
    try {
      const size = group[0]!.pixels.length;
      const pixels = new Uint8Array(group.length * size);
      for (const [n, entry] of group.entries()) pixels.set(entry.pixels, n * size);
      const answers = await this.answer(pixels);
      for (const [n, entry] of group.entries()) entry.resolve(answers[n]!);
    } catch (error) {
      for (const entry of group) entry.reject(error);
    }
  }
}
