// Joins the ranks that mpirun or srun has started.
import { shareThreads } from '../../native/devices';
import { LIMITS } from '../../native/limits';
import { Communicator, limitProcessor, processor } from '../../native/communicator';
import { OneSpikeError } from '../../errors';
import { libraryFor } from './library';
import type { RankPlace } from './place';
import { MpiRanks } from './ranks';
import { allowedProcessors, commonProcessor, threadsOf, type RankProcessor } from './share';

/** The seconds after which a rank that gives no sign of life is silent. */
const USUAL_DEADLINE = 20;

/**
 * Joins the others. Errors: ERR_NO_BACKEND where no library was built for this MPI, ERR_IO where MPI fails or does not
 * start.
 */
export async function openRanks(place: RankPlace): Promise<MpiRanks> {
  const { library, implementation } = await libraryFor(place.family);
  const deadline = silenceDeadline();
  leaveMemoryCallsAlone();
  const ranks = new MpiRanks(await startedWithin(Communicator.open(library, deadline), Math.max(60, 3 * deadline)));
  if (ranks.size !== place.size)
    throw new OneSpikeError(
      'ERR_NO_BACKEND',
      `Expected ${place.size} ranks, which ${place.launcher} has started, but ${implementation} finds ${ranks.size}: ` +
        'the library is of another MPI than the launcher (`onespike mpi build --mpicc PATH`; ONESPIKE_MPI names one ' +
        'of several)',
    );
  return ranks;
}

/**
 * UCX, which MPICH and others send through, rewrites the machine code of mmap, brk and the like when it starts, while
 * other threads may be within them: 3 of some 150 starts with MPICH 4.0 and UCX 1.13 ended in a segmentation fault. It
 * remembers registered memory by that, on InfiniBand alone. What the environment says holds.
 */
function leaveMemoryCallsAlone(): void {
  process.env.UCX_MEM_EVENTS ??= 'n';
}

/**
 * Agrees with the other ranks on the instruction set and on shares of the processors. Another rank may have failed by
 * then, so an error is one for `ranks.end`. Errors: ERR_NO_BACKEND for ranks without a common instruction set, ERR_IO.
 */
export async function agreeOnProcessor(ranks: MpiRanks): Promise<void> {
  const own = { host: ranks.hosts[ranks.rank]!, processors: allowedProcessors(), ...processor() };
  const all = (await ranks.gatherText(JSON.stringify(own))).map((text) => JSON.parse(text) as RankProcessor);
  const common = commonProcessor(all);
  if (common === undefined) {
    const received = all.map(({ targets }, rank) => `${targets[0]} on ${ranks.name(rank)}`).join(', ');
    throw new OneSpikeError(
      'ERR_NO_BACKEND',
      `Expected an instruction set that all ranks have but received ${received}`,
    );
  }
  limitProcessor(common);
  shareThreads(threadsOf(all, ranks.rank));
}

/** Errors: ERR_ARG for what is no number of seconds. */
function silenceDeadline(): number {
  const { ONESPIKE_RANK_DEADLINE: text } = process.env;
  if (text === undefined || text === '') return USUAL_DEADLINE;
  const seconds = Number(text);
  const { min, max } = LIMITS.deadline;
  if (!(seconds >= min && seconds <= max))
    throw new OneSpikeError(
      'ERR_ARG',
      `Expected ${min} to ${max} seconds for ONESPIKE_RANK_DEADLINE but received '${text}'`,
    );
  return seconds;
}

/** MPI waits for all ranks before it starts, and knows no end of it. Errors: ERR_IO. */
async function startedWithin<T>(start: Promise<T>, seconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const message = `Expected all ranks to start within ${seconds} s but MPI still waits for some`;
    timer = setTimeout(() => reject(new StartTooLate('ERR_IO', message)), seconds * 1000);
  });
  try {
    return await Promise.race([start, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** After this error a thread still waits in MPI: the process cannot end in the ordinary way. */
export class StartTooLate extends OneSpikeError {}
