// `report`, and the report at the end of a training.
import type { Command } from 'commander';
import { BACKEND_CHOICES } from '../../../native/devices';
import { checkOneOf } from '../../../check';
import { isOneSpikeError } from '../../../errors';
import { absolutePath, shortPath } from '../../../io/paths';
import { recordTest } from '../../../train/test/record';
import type { TestRecord } from '../../../train/run/test-record';
import type { Run } from '../../../train/run/load-run';
import type { Report } from '../../../pictures/report';
import { interruptible } from '../../interrupt';
import { Output } from '../../output';
import { asUsage, backendOption, checkTheme, deviceOption, integerOption, movedOption, themeOption } from '../../usage';

interface ReportFlags {
  output?: string;
  svg?: string;
  png?: string;
  theme: string;
  data?: string;
  backend?: string;
  device?: number;
  threads?: number;
  json?: boolean;
}

export function addReport(program: Command): void {
  program
    .command('report')
    .description('a page with the pictures of a run')
    .argument('<run>', 'folder of the run')
    .option('-o, --output <file>', 'file of the page (default: report.html in the folder of the run)')
    .option('--svg <dir>', 'write each picture as an SVG file too')
    .option('--png <dir>', 'write each picture as a PNG file too (with the package sharp)')
    .addOption(themeOption())
    .addOption(movedOption())
    .addOption(backendOption())
    .addOption(deviceOption())
    .option('--threads <n>', 'compute threads (default: all cores)', integerOption(1))
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      `
Examples:
  $ onespike report runs/vgg6-shapes-20260102-030405
  $ onespike report runs/mine -o mine.html --svg pictures

A run that has ended brings all that is drawn; of another the test images are evaluated now, if they are there.`,
    )
    .action(async (path: string, flags: ReportFlags) => {
      const output = new Output(flags.json === true);
      const theme = checkTheme(flags.theme);
      const backend = asUsage(() => checkOneOf(flags.backend ?? 'auto', '--backend', BACKEND_CHOICES));
      const { device, threads, data } = flags;
      await interruptible(output, async (signal) => {
        const measure = (run: Run): Promise<TestRecord> =>
          measured(run, { backend, device, threads }, data, output, signal);
        const [file, svg, png] = [flags.output, flags.svg, flags.png].map((name) => name && absolutePath(name));
        const { writeReport } = await import('../../../pictures/report.js');
        show(output, await writeReport(path, { file, svg, png, theme, measure }));
      });
    });
}

/** Evaluates the test images with the best network so far. */
async function measured(
  run: Run,
  options: Parameters<Run['network']>[0],
  directory: string | undefined,
  output: Output,
  signal: AbortSignal,
): Promise<TestRecord> {
  const network = await run.network(options);
  try {
    const { test, warnings } = await run.dataset({ signal, directory });
    for (const warning of warnings) output.warn(warning);
    return await recordTest(network, test, { mode: run.mode, config: run.config, signal });
  } finally {
    await network.dispose();
  }
}

function show(output: Output, { run, file, pictures, missing }: Report): void {
  output.event({ event: 'report', run, file, pictures, missing });
  if (missing !== null)
    output.note(`${output.paint('yellow', 'warning')}  pictures of the test images are missing: ${missing}`);
  if (pictures.length > 0) output.line(`${pictures.length} pictures`);
  output.line(`report ${shortPath(file)}`);
}

/** The report of a training that has ended. What keeps it from being written is a warning: the run is safe. */
export async function reportAtEnd(path: string, output: Output): Promise<Report | undefined> {
  try {
    const { writeReport } = await import('../../../pictures/report.js');
    return await writeReport(path);
  } catch (error) {
    if (!isOneSpikeError(error)) throw error;
    output.warn({ code: 'REPORT_FAILED', message: `the report was not written: ${error.message}` });
    return undefined;
  }
}
