// Runs in states that take a while to reach.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { thisOwner, type Owner } from '../../lib/train/run/owner';

/** Leaves a lock as this process would have written it, but for what `other` says; one that is there is replaced. */
export function lockRun(run: string, other: Partial<Owner>): void {
  const written = join(run, '.written');
  writeFileSync(written, JSON.stringify({ ...thisOwner('left'), ...other }));
  renameSync(written, join(run, 'run.lock'));
}
