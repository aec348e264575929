// The range, both ends included, of every number that `serve` takes: the command states no other.
import type { Range } from '../check/values';

export const SERVE_LIMITS = {
  /** The port; 0 for any that is free. */
  port: { min: 0, max: 65_535 },
  /** Images that are computed together at most. */
  batch: { min: 1, max: 4096 },
  /** Images that wait at most. */
  queue: { min: 1, max: 65_536 },
  /** The size of a request at most. */
  maxBytes: { min: 1024, max: 2 ** 30 },
  /** The pixels of a picture at most. */
  maxPixels: { min: 1, max: 50_000_000 },
  /** The time of a request at most. */
  timeoutMs: { min: 1, max: 3_600_000 },
} as const satisfies Record<string, Range>;
