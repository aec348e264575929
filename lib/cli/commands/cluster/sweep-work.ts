// What the command `sweep` does: the trials in this process or below it, and what a person sees of them.
import { join } from 'node:path';
import { divide, type Share } from '../../../cluster/division';
import { stagesOf, type TrialResult } from '../../../cluster/ranking';
import {
  openStudy,
  sweep,
  sweepEvent,
  sweptEvent,
  type BeginEvent,
  type SweepEvents,
  type SweptEvent,
  type TrialEvent,
} from '../../../cluster/sweep';
import { parseStudy, variedKeys, type Study } from '../../../cluster/study';
import { tableRows, valueText } from '../../../cluster/table';
import { checkTrials, stageEpochs, trialConfig, trialsOf } from '../../../cluster/trials';
import { shellWord, shortPath } from '../../../io/paths';
import { interruptible } from '../../interrupt';
import { readJsonFile } from '../../json-file';
import type { Output } from '../../output';
import { duration, percent, table } from '../../style';
import { asUsage } from '../../usage';
import { runWorkers, withParent } from '../../workers';

export interface SweepFlags {
  out?: string;
  maxParallel?: number;
  threads?: number;
  device?: number;
  dryRun?: boolean;
  worker?: boolean;
  json?: boolean;
}

/** Errors: UsageError for what no study is; ERR_ABORTED with how to go on. */
export async function workOnStudy(output: Output, file: string, flags: SweepFlags): Promise<void> {
  const given = await readJsonFile(file, {
    missing: 'docs/CLI.md shows what a study holds',
    fault: 'a study is JSON, with comments if you like; docs/CLI.md shows one',
  });
  const study = asUsage(() => {
    const parsed = parseStudy(given, file);
    checkTrials(parsed, trialsOf(parsed));
    return parsed;
  }, 'docs/CLI.md shows what a study holds');
  if (flags.dryRun === true) return list(output, study, sharesOf(study, flags));
  const view = new SweepView(output, study);
  const work = flags.worker === true ? workHere : workBelow;
  const out = flags.out === undefined ? '' : ` --out ${shellWord(flags.out)}`;
  await interruptible(output, (signal) => work(output, study, flags, { signal, view }), {
    ...(flags.worker === true ? { advice: null } : {}),
    interrupted: `Interrupted and saved. Go on by: onespike sweep ${shellWord(file)}${out}`,
  });
}

interface Watched {
  signal: AbortSignal;
  view: SweepView;
}

/** Takes trials in this process. */
async function workHere(output: Output, study: Study, flags: SweepFlags, { signal, view }: Watched): Promise<void> {
  const { out, threads, device } = flags;
  const stop = withParent(signal);
  try {
    for await (const event of sweep(study, { out, threads, device, signal: stop.signal })) {
      output.event(event);
      view.show(event);
    }
  } finally {
    stop.release();
  }
}

/** Divides the trials among processes that this one starts. */
async function workBelow(output: Output, study: Study, flags: SweepFlags, { signal, view }: Watched): Promise<void> {
  const folder = await openStudy(study, flags.out);
  const show = (event: SweepEvents): void => {
    output.event(event);
    view.show(event);
  };
  const shares = sharesOf(study, flags);
  show(await sweepEvent(folder));
  output.line(sharesText(shares));
  await runTrials(folder.path, shares, signal, show);
  show(await sweptEvent(folder));
}

/** Trains the trials of a study in its folder, by a process for every share. Errors: as `runWorkers`. */
export async function runTrials(
  folder: string,
  shares: readonly Share[],
  signal: AbortSignal,
  onTrial: (event: BeginEvent | TrialEvent) => void,
): Promise<void> {
  const common = ['sweep', join(folder, 'study.json'), '--worker', '--json', '--out', folder];
  const args = shares.map(({ threads, device }) => [
    ...common,
    '--threads',
    String(threads),
    ...(device === null ? [] : ['--device', String(device)]),
  ]);
  const onEvent = (event: { event: string }): void => {
    if (event.event === 'begin' || event.event === 'trial') onTrial(event as BeginEvent | TrialEvent);
  };
  await runWorkers({ args, signal, onEvent });
}

/** How the processors are divided among the trials of a study. */
export function sharesOf(study: Study, { maxParallel, threads }: Pick<SweepFlags, 'maxParallel' | 'threads'>): Share[] {
  const trials = trialsOf(study);
  const { backend } = trialConfig(study, trials[0]!);
  return divide({ trials: trials.length, maxParallel, threads, backend });
}

function sharesText(shares: readonly Share[]): string {
  const each = shares.map(({ threads, device }) => `${threads}${device === null ? '' : ` and GPU ${device}`}`);
  const different = [...new Set(each)];
  return `${shares.length} at a time, threads each: ${different.length === 1 ? different[0] : each.join(', ')}`;
}

function list(output: Output, study: Study, shares: readonly Share[]): void {
  const trials = trialsOf(study);
  const keys = variedKeys(study);
  for (const trial of trials) output.event({ event: 'planned', ...trial });
  output.line(
    table([
      ['trial', ...keys, 'seed'],
      ...trials.map(({ trial, parameters, seed }) => [
        String(trial),
        ...keys.map((key) => valueText(parameters[key])),
        String(seed),
      ]),
    ]),
  );
  const { halving } = study;
  if (halving !== undefined) {
    const epochs = Array.from({ length: stagesOf(study) }, (_, stage) => stageEpochs(halving, stage));
    output.line(`\nepochs by stage: ${epochs.join(', ')}; of each stage, one candidate in ${halving.factor} goes on`);
  }
  output.line(`\n${trials.length} trials, ${sharesText(shares)}`);
}

/** A sweep as a person sees it: a line for every trial, and a table at the end. */
class SweepView {
  private readonly running = new Set<number>();
  private readonly trials: number;

  constructor(
    private readonly output: Output,
    private readonly study: Study,
  ) {
    this.trials = trialsOf(study).length;
  }

  show(event: SweepEvents): void {
    const { output } = this;
    if (event.event === 'sweep') {
      const ended = event.ended === 0 ? '' : `, ${event.ended} of them ended already`;
      output.line(output.paint('bold', `sweep ${event.name}: ${event.method}, ${event.trials} trials${ended}`));
    } else if (event.event === 'begin') this.running.add(event.trial);
    else if (event.event === 'trial') {
      this.running.delete(event.trial);
      output.line(this.trial(event));
    } else this.swept(event);
    if (event.event !== 'swept') output.status(`running: ${[...this.running].join(', ') || 'none'}`);
  }

  private trial({ trial, stage, seed, parameters, ...result }: TrialResult): string {
    const values = Object.entries(parameters).map(([key, value]) => `${key}=${valueText(value)}`);
    const place = `trial ${String(trial).padStart(String(this.trials).length)}/${this.trials}`;
    const where = this.study.halving === undefined ? [] : [`stage ${stage + 1}`];
    const { status, validationAccuracy, testAccuracy, spikesPerNeuron, seconds, error } = result;
    const scores =
      status === 'done'
        ? [
            `validation ${percent(validationAccuracy)}`,
            `test ${percent(testAccuracy)}`,
            ...(spikesPerNeuron === null ? [] : [`${spikesPerNeuron.toFixed(3)} spikes/neuron`]),
            duration(seconds),
          ]
        : [this.output.paint('yellow', `${status}: ${error}`)];
    return [this.output.paint('cyan', place), ...where, ...values, `seed ${seed}`, ...scores].join('  ');
  }

  private swept({ out, done, diverged, failed, candidates }: SweptEvent): void {
    const { output } = this;
    const short = (name: string): string => shortPath(join(out, name));
    output.line();
    output.line(table(tableRows(candidates)));
    output.line(`\n${done} done, ${diverged} diverged, ${failed} failed; mean ± standard deviation over seeds`);
    output.line(`results  ${short('results.jsonl')}, ${short('table.md')}, ${short('accuracy.svg')}`);
  }
}
