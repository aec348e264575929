// Commands that several processes run together: those that mpirun or srun has started, or that `--ranks` starts.
import { Option } from 'commander';
import type { MpiRanks } from '../../../cluster/ranks/ranks';
import { rankPlace, type RankPlace } from '../../../cluster/ranks/place';
import type { TrainConfig } from '../../../train/config/config';
import { DEFAULT_SHARDS } from '../../../train/loop/ranks';
import { interruptible } from '../../interrupt';
import { Output, silentStreams } from '../../output';
import { exitStatus, QuietExit, report, statusOf } from '../../report';
import { durationOption } from '../../time-limit';
import { integerOption, UsageError } from '../../usage';

export interface RankFlags {
  ranks?: number | undefined;
  timeLimit?: number | undefined;
}

export const ranksOption = (): Option =>
  new Option('--ranks <n>', 'train in so many processes, which mpirun starts (docs/CLUSTERS.md)').argParser(
    integerOption(1, 65536),
  );
export const timeLimitOption = (): Option =>
  new Option(
    '--time-limit <duration>',
    'save and stop after so long: 90m, 8h, 1-12:00:00 (default: a minute before the end of a job of Slurm)',
  ).argParser(durationOption);

/** What a command runs with in one of several processes, or in the only one. */
export interface Here {
  output: Output;
  /** The ranks that run it together; undefined for one process. */
  ranks: MpiRanks | undefined;
  /** Whether this process speaks and writes for all ranks. */
  leads: boolean;
  /** The configuration of a new run with what this process adds where it says nothing: shards. */
  placed: (config: TrainConfig) => TrainConfig;
  /** The GPU that this process was dealt for a backend; undefined where it may choose by itself. All ranks ask. */
  device: (backend: string) => Promise<number | undefined>;
}

/** Does `work` in this process, with the others where there are some; rank 0 speaks for all. */
export async function onRanks(
  output: Output,
  { ranks: wanted }: RankFlags,
  work: (here: Here) => Promise<void>,
): Promise<void> {
  const place = rankPlace();
  if (wanted !== undefined) {
    if (place === null) return startRanks(output, wanted);
    throw new UsageError(`Expected no --ranks in a process that ${place.launcher} has started but received ${wanted}`);
  }
  const asItIs = (config: TrainConfig): TrainConfig => config;
  const alone = { output, ranks: undefined, leads: true, device: async () => undefined };
  if (place === null) return work({ ...alone, placed: asItIs });
  // One process that MPI has started trains as several would, unless `minutes` says what only one process can do.
  const sharded = (config: TrainConfig): TrainConfig =>
    config.minutes === undefined ? { ...config, shards: config.shards ?? DEFAULT_SHARDS } : config;
  if (place.size === 1) return work({ ...alone, placed: sharded });
  return join({ output, placed: asItIs }, place, work);
}

async function join(
  { output, placed }: Pick<Here, 'output' | 'placed'>,
  place: RankPlace,
  work: (here: Here) => Promise<void>,
): Promise<void> {
  const { agreeOnProcessor, openRanks, StartTooLate } = await import('../../../cluster/ranks/open.js');
  const { dealDevice } = await import('../../../cluster/ranks/devices.js');
  const ranks = await openRanks(place).catch((error) => {
    if (!(error instanceof StartTooLate)) throw error;
    reportNow(error);
    process.kill(process.pid, 'SIGKILL');
    throw error;
  });
  const leads = ranks.rank === 0;
  const own = leads ? output : new Output(output.json, silentStreams());
  try {
    await agreeOnProcessor(ranks);
    await work({ output: own, ranks, leads, placed, device: (backend) => dealDevice(ranks, backend) });
    await ranks.close();
  } catch (error) {
    const reported = await ranks.end(error, reportNow);
    throw reported ?? new QuietExit(statusOf(error));
  }
}

function reportNow(error: unknown): void {
  report(error, process.argv);
}

/** Runs this command line again in several processes, without the option that asks for them. */
async function startRanks(output: Output, wanted: number): Promise<void> {
  const { launchRanks } = await import('../../../cluster/ranks/launch.js');
  const args = withoutRanks(process.argv.slice(2));
  const advice = 'Stopping all ranks; interrupt again to leave at once without saving.';
  let stopped = false;
  const status = await interruptible(
    output,
    async (signal) => {
      const left = await launchRanks(wanted, args, signal);
      stopped = signal.aborted;
      return left;
    },
    { advice },
  );
  if (status !== 0) throw new QuietExit(stopped ? exitStatus.interrupted : status);
}

/** The words of a command line but `--ranks N` and `--ranks=N`. */
export function withoutRanks(args: readonly string[]): string[] {
  return args.filter((word, i) => !word.startsWith('--ranks=') && word !== '--ranks' && args[i - 1] !== '--ranks');
}
