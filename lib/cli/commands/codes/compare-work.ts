// What the command `compare` does: the comparison, and what a person sees of it.
import { join } from 'node:path';
import { compare, type CodeEvent, type ComparedEvent, type CompareEvent } from '../../../codes/compare';
import { networksOf, type ComparedConfig } from '../../../codes/networks';
import type { CompareProgress } from '../../../codes/rows';
import { checkCodeTimesteps, type CodeTimesteps } from '../../../codes/settings';
import { comparedCodes } from '../../../codes/state';
import { codeRows, energyRows, stepsText } from '../../../codes/table';
import { checkOneOf, defined, isPlainObject } from '../../../check';
import { shortPath } from '../../../io/paths';
import { isFolder } from '../../../io/status';
import { BACKEND_CHOICES } from '../../../native/devices';
import { codesFigure, writeCodesPicture } from '../../../pictures/codes';
import { interruptible } from '../../interrupt';
import type { Output } from '../../output';
import { compact, jobProgress, percent, table } from '../../style';
import { TrainView } from '../../train-view';
import { asUsage, checkTheme, UsageError } from '../../usage';
import { configInput, resolvedConfig } from '../train';

export interface CompareFlags {
  images?: number;
  ann?: string;
  coded: string[];
  timesteps: CodeTimesteps;
  quick?: boolean;
  out?: string;
  data?: string;
  dataset?: string;
  seed?: number;
  set: string[];
  backend?: string;
  device?: number;
  threads?: number;
  theme: string;
  json?: boolean;
}

/** Errors: usage errors; those of `compare`, ERR_ABORTED with how to go on. */
export async function compareCodes(output: Output, name: string, flags: CompareFlags): Promise<void> {
  const theme = checkTheme(flags.theme);
  const { images, ann, coded, quick, out, data, device, threads } = flags;
  const timesteps = asUsage(() => checkCodeTimesteps(flags.timesteps, 'timesteps'));
  const backend =
    flags.backend === undefined ? undefined : asUsage(() => checkOneOf(flags.backend, '--backend', BACKEND_CHOICES));
  const isRun = await isFolder(name);
  const subject = isRun ? runAlone(name, flags) : await configured(name, flags);
  const view = new CompareView(output);
  const finished: ComparedEvent[] = [];
  const work = async (signal: AbortSignal): Promise<void> => {
    const events = compare(subject, {
      ...{ images, ann, coded, timesteps, quick, out, backend, device, threads, signal },
      ...(isRun ? { directory: data } : {}),
      progressSeconds: output.interactive ? 0.2 : 5,
      onProgress: (progress) => view.progress(progress),
    });
    for await (const event of events) {
      if (event.event === 'compared') finished.push(event);
      else show(output, view, event);
    }
  };
  await interruptible(output, work, { interrupted: 'Interrupted and saved. The same command goes on.' });
  for (const event of finished) {
    const files = await writePicture(event.out, theme, event.run);
    output.event(event);
    view.compared(event, files);
  }
}

/** The folder of a run, for which nothing can be configured. Errors: a usage error. */
function runAlone(path: string, { dataset, seed, set }: CompareFlags): string {
  if (dataset !== undefined || seed !== undefined || set.length > 0)
    throw new UsageError('Expected --dataset, --seed and --set with a preset or a configuration but received a run');
  return path;
}

/** A preset or the configuration in a file, with what the flags say. Errors: usage errors. */
async function configured(name: string, flags: CompareFlags): Promise<ComparedConfig> {
  const input = await configInput(name, flags);
  const { compare: wanted, ...given } = isPlainObject(input) ? input : {};
  const { dataset, data, seed, set, backend, device, threads } = flags;
  const config = resolvedConfig(isPlainObject(input) ? given : input, {
    set,
    ...defined({ dataset, data, seed, backend, device, threads }),
  });
  const subject = { ...config, ...(wanted === undefined ? {} : { compare: wanted }) } as ComparedConfig;
  asUsage(
    () => networksOf(subject, flags.quick === true),
    '`onespike presets NAME` prints every key of a configuration',
  );
  return subject;
}

function show(output: Output, view: CompareView, event: Exclude<CompareEvent, ComparedEvent>): void {
  output.event(event);
  if (event.event === 'code') view.code(event);
  else view.training(event);
}

const ACCOUNT = 'compute/int32';

async function writePicture(out: string, theme: 'light' | 'dark', run: string): Promise<string[]> {
  const codes = await comparedCodes(out);
  const pictured = codes.map(({ result: { energy, ...result }, steps }) => ({
    ...result,
    picojoules: energy[ACCOUNT]!.picojoules,
    steps,
  }));
  const title = `Codes compared: ${shortPath(run)}`;
  const figure = codesFigure(pictured, { title, account: 'compute, int32', own: pictured[0]!.code });
  return writeCodesPicture(out, figure, theme);
}

/** A comparison as a person sees it: a line for every code, and the table at the end. */
class CompareView {
  private readonly trainView: TrainView;
  private readonly results: CodeEvent[] = [];
  private began = { code: '', at: 0, done: 0 };

  constructor(private readonly output: Output) {
    this.trainView = new TrainView(output);
  }

  training(event: Exclude<CompareEvent, ComparedEvent | CodeEvent>): void {
    this.trainView.show(event);
  }

  progress({ code, done, total }: CompareProgress): void {
    // What was done before an interruption tells nothing about the speed.
    if (this.began.code !== code) this.began = { code, at: performance.now(), done };
    const seconds = (performance.now() - this.began.at) / 1000;
    this.output.status(jobProgress(code, { done, total }, seconds, this.began.done));
  }

  code(event: CodeEvent): void {
    this.results.push(event);
    const { output } = this;
    output.line(
      `${output.paint('cyan', event.code)}  ${percent(event.accuracy, 2)}  ${stepsText(event)} steps, ` +
        `${event.stepsWithinOnePoint} to within 1 point, ${compact(event.spikesPerImage)} spikes/image, ` +
        `${compact(event.imagesPerSecond)} img/s`,
    );
  }

  compared({ out, images, run }: ComparedEvent, pictures: readonly string[]): void {
    const { output, results } = this;
    output.line();
    output.line(table(codeRows(results)));
    output.line('\nenergy per image (that of the dense network over it)');
    output.line(table(energyRows(results)));
    const files = [join(out, 'compare.md'), ...pictures, join(out, 'compare.json')];
    output.line(`\n${images} test images of ${shortPath(run)}`);
    output.line(`results  ${files.map(shortPath).join(', ')}`);
  }
}
