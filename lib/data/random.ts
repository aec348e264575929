/**
 * A small seeded generator whose numbers are the same on every platform: sfc32 (Chris Doty-Humphrey's PractRand),
 * 32-bit integer arithmetic only. Not for cryptography.
 */
export class SeededRandom {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  /**
   * Generators with different `stream` words (32 bits each) are independent of each other under one seed (0..2^53-1).
   */
  constructor(seed: number, ...stream: number[]) {
    this.a = seed >>> 0;
    this.b = Math.floor(seed / 0x1_0000_0000) >>> 0;
    this.c = 0x9e3779b9;
    // Every word is absorbed by a few rounds, so that neighbouring seeds and streams do not give related numbers.
    for (const word of stream) {
      for (let i = 0; i < 4; i++) this.next();
      this.a = (this.a ^ word) >>> 0;
    }
    for (let i = 0; i < 12; i++) this.next();
  }

  /** Uniform integer in 0..2^32-1. */
  next(): number {
    const sum = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1), a multiple of 2^-32. */
  float(): number {
    return this.next() / 0x1_0000_0000;
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.float();
  }

  /** Uniform integer in 0..count-1 (count in 1..2^32); rejection keeps it exactly uniform. */
  below(count: number): number {
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % count);
    let value = this.next();
    while (value >= limit) value = this.next();
    return value % count;
  }

  /** Fisher-Yates, in place. */
  shuffle<T extends { length: number; [index: number]: number }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const held = items[i] as number;
      items[i] = items[j] as number;
      items[j] = held;
    }
    return items;
  }
}
