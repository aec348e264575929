// The images that a rank needs of a data set, whatever the parts of the work that it takes.
import { splitValidation } from '../../data';
import type { Keep, KnownParts } from '../../data/held';
import { evaluatedAtOnce } from '../../model/network/forward';
import type { TrainConfig } from '../config/config';
import type { Ranks } from '../loop/ranks';
import { ownPieces } from '../loop/shares';
import { lastPhase } from '../run/state';
import { WHITENING_IMAGES } from '../start/start';
import { allRows, batchCount, batchRows, calibrationIndices, joinRows } from './order';
import { divide } from './shards';

type Place = Pick<Ranks, 'rank' | 'size'>;

/** The validation images that the data set itself sets aside, or else a share of the training images. */
export function trainingRows(
  { train, validation }: KnownParts,
  config: Pick<TrainConfig, 'dataset' | 'seed'>,
): { train: Uint32Array; validation: Uint32Array } {
  if (validation === undefined) return splitValidation(train, config.dataset.validation, config.seed);
  const aside = new Set(validation);
  return { train: allRows(train.count).filter((row) => !aside.has(row)), validation };
}

/** The rows of a rank's own pieces of an evaluation, one piece after the other. */
export function pieceRows(rows: Uint32Array, size: number, ranks: Place): Uint32Array {
  return joinRows(ownPieces(batchCount(rows.length, size), ranks).map((piece) => batchRows(rows, piece, size)));
}

/** The images that set thresholds, on every rank alike. */
export function thresholdRows(train: Uint32Array, { convert, seed }: TrainConfig): Uint32Array {
  return calibrationIndices(train, seed, convert.enabled ? convert.images : 0);
}

/** The images of a rank; undefined for one process, which keeps all. */
export function keepOf(config: TrainConfig, ranks: Ranks | null): Keep | undefined {
  if (ranks === null) return undefined;
  return (known) => {
    const { train, validation } = trainingRows(known, config);
    const { batch } = config.evaluation;
    const size = evaluatedAtOnce(known.test.shape, batch);
    const shards = config.shards === null ? [train] : divide(train, config.shards, ranks).rows;
    const whitening = config.start.whitening && config.init === undefined ? WHITENING_IMAGES : 0;
    const counted = lastPhase(config) === 'snn' ? config.energy.images : 0;
    const test = allRows(known.test.count);
    return {
      train: union(
        ...shards,
        pieceRows(validation, size, ranks),
        thresholdRows(train, config),
        calibrationIndices(train, config.seed, whitening),
      ),
      test: union(pieceRows(test, size, ranks), pieceRows(test.subarray(0, counted), batch, ranks)),
    };
  };
}

/** Every row of the lists once, ascending. */
function union(...lists: Uint32Array[]): Uint32Array {
  return Uint32Array.from(new Set(joinRows(lists))).sort();
}
