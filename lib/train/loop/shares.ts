// Work in pieces, of which every rank does its share, and whose results come in one order on all ranks.
import type { Ranks } from './ranks';

/** The part of the connection that dividing work needs. */
export type Sharing = Pick<Ranks, 'rank' | 'size' | 'gather'>;

/** The pieces that a rank works on, ascending; one process works on all. */
export function ownPieces(pieces: number, ranks: Pick<Sharing, 'rank' | 'size'> | null): number[] {
  const { rank, size } = ranks ?? { rank: 0, size: 1 };
  return Array.from({ length: Math.max(0, Math.ceil((pieces - rank) / size)) }, (_, i) => rank + i * size);
}

/**
 * The numbers that the work on each piece gives, in the order of the pieces, whatever the number of ranks: what is
 * added up from them is the same sum on every rank, and that of one process. They come in rounds, in which each rank
 * works on one piece.
 */
export async function* inShares(
  pieces: number,
  ranks: Sharing | null,
  work: (piece: number) => Promise<Float64Array>,
): AsyncGenerator<Float64Array[], void> {
  const size = ranks?.size ?? 1;
  for (let first = 0; first < pieces; first += size) {
    const piece = first + (ranks?.rank ?? 0);
    const own = piece < pieces ? await work(piece) : new Float64Array(0);
    if (ranks === null) yield [own];
    else yield (await gatherNumbers(ranks, own)).slice(0, pieces - first);
  }
}

/** The numbers of every rank, in the order of the ranks. */
export async function gatherNumbers(ranks: Sharing, own: Float64Array): Promise<Float64Array[]> {
  const all = await ranks.gather(new Uint8Array(own.buffer, own.byteOffset, own.byteLength));
  return all.map((bytes) => new Float64Array(bytes.slice().buffer));
}
