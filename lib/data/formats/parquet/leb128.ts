// Integers without a sign in groups of seven bits, lowest first; all bytes but the last have the highest bit set.

/**
 * The integer at a place, of at most `mostBytes`, and the place behind it. Exact below 2^53. Throws an Error for one
 * that is cut off or longer.
 */
export function leb128(bytes: Uint8Array, at: number, mostBytes: number): { value: number; end: number } {
  let value = 0;
  for (let i = 0; i < mostBytes; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) throw new Error('an integer that is cut off');
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return { value, end: at + i + 1 };
  }
  throw new Error(`an integer of more than ${mostBytes} bytes`);
}
