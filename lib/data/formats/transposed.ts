/**
 * Square images of one byte per value whose rows and columns are exchanged; so it is plane by plane for several
 * channels.
 */
export function transposed(stored: Uint8Array, side: number): Uint8Array {
  const pixels = new Uint8Array(stored.length);
  for (let start = 0; start < stored.length; start += side * side)
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++) pixels[start + y * side + x] = stored[start + x * side + y]!;
  return pixels;
}
