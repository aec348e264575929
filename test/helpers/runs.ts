// Runs in states that take a while to come to.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { thisOwner, type Owner } from '../../lib/train/run/owner';

/** Leaves a lock as this process would have written it, but for what `other` says. */
export function lockRun(run: string, other: Partial<Owner>): void {
  writeFileSync(join(run, 'run.lock'), JSON.stringify({ ...thisOwner('left'), ...other }));
}
