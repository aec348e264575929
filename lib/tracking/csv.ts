// The epochs of a run as a table for spreadsheets and data frames (RFC 4180, a point in decimals).
import { timelineOf } from '../pictures/data/series';
import type { Run } from '../train/run/load-run';
import { epochValues } from './values';

/** One row per epoch; a column that an epoch does not have is empty. */
export function csvOf(metrics: Run['metrics']): string {
  const { epochs } = timelineOf(metrics);
  const rows = epochs.map((epoch) => ({ epoch, values: new Map(epochValues(epoch)) }));
  const names = [...new Set(rows.flatMap(({ values }) => [...values.keys()]))];
  const lines = rows.map(({ epoch: { x, phase, epoch, best }, values }) =>
    [x, phase, epoch, best, ...names.map((name) => values.get(name) ?? '')].join(','),
  );
  return [['step', 'phase', 'epoch', 'best', ...names].join(','), ...lines].map((line) => `${line}\n`).join('');
}
