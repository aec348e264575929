// The end of a launcher that has lost its other half.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** mpirun, and the daemons that start its ranks on other hosts. */
const launchers = /^(mpirun|mpiexec|orterun|orted|prterun|prte|prted|hydra)/;

/** Time to end in the ordinary way, and then to end on request, in seconds. */
const patience = { ordinary: 5, asked: 2 };

/**
 * Ends the launcher of this process if it is still there a few seconds after this process has left. When a host cannot
 * be reached, Open MPI's mpirun ends the ranks on its own side and then waits for the other one, until TCP gives up
 * after a quarter of an hour. Does nothing where the parent is no launcher, as under srun.
 */
export function guardLauncher(): void {
  const parent = process.ppid;
  const name = nameOf(parent);
  if (name === undefined || !launchers.test(name)) return;
  // The number may be another process's by then, but hardly one of the same name.
  const kill = (signal: string): string =>
    `[ "$(cat /proc/${parent}/comm 2>/dev/null)" = "$0" ] && kill -${signal} ${parent}`;
  const script = `sleep ${patience.ordinary}; ${kill('TERM')} && sleep ${patience.asked} && ${kill('KILL')}`;
  // In a session of its own, because a launcher ends the groups of its ranks.
  const guard = spawn('/bin/sh', ['-c', script, name], { detached: true, stdio: 'ignore' });
  guard.on('error', () => undefined);
  guard.unref();
}

function nameOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd();
  } catch {
    return undefined;
  }
}
