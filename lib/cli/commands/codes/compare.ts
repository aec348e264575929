// `compare`: a network beside all other codes.
import { Option, type Command } from 'commander';
import { datasetNames } from '../../../data';
import { SIMULATED_CODES } from '../../../model/network/simulation-options';
import { Output } from '../../output';
import {
  backendOption,
  deviceOption,
  integerOption,
  limitedOption,
  repeatedOption,
  setOption,
  themeOption,
  ValueError,
} from '../../usage';
import type { CompareFlags } from './compare-work';

export function addCompare(program: Command): void {
  program
    .command('compare')
    .description('a network beside all other codes on the same test images')
    .argument('<run|config>', 'folder of a run, or a preset or configuration file, whose network is trained first')
    .option('--images <n>', 'test images (default: all)', integerOption(1))
    .option('--ann <run>', 'folder of the run whose ANN is simulated (default: the run itself)')
    .addOption(
      repeatedOption(
        '--coded <run>',
        'folder of a run whose network has a code, measured too; may be repeated',
        'none',
      ),
    )
    .addOption(
      new Option('--timesteps <code=n>', 'time steps of a simulated code, as those of simulate; may be repeated')
        .argParser(codeTimesteps)
        .default({}, 'the usual ones'),
    )
    .option('--quick', 'a first impression: few images and steps, and one epoch of every phase of a configuration')
    .option('--out <dir>', 'folder of the results (default: the run, or comparisons/NAME)')
    .option('--data <dir>', 'where the files of the data set are')
    .option('--dataset <name>', `of a preset or configuration: ${datasetNames.join(', ')}`)
    .option('--seed <n>', 'seed of a preset or configuration', integerOption(0))
    .addOption(setOption('set one key of a preset or configuration; may be repeated'))
    .addOption(backendOption())
    .addOption(deviceOption())
    .option('--threads <n>', 'compute threads (default: all cores)', limitedOption('threads'))
    .addOption(themeOption())
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      `
Examples:
  $ onespike compare runs/vgg6-shapes-20260102-030405 --quick
  $ onespike compare runs/mine --images 1000 --timesteps rate=500
  $ onespike compare runs/fine-tuned --ann runs/first --coded runs/radix --out comparisons/mine
  $ onespike compare vgg7 --dataset cifar10 --out comparisons/mine

The table is compare.md in that folder, its picture compare.svg, its numbers compare.json.
Ctrl-C keeps what is done; the same command goes on.`,
    )
    .action(async (subject: string, flags: CompareFlags) => {
      const output = new Output(flags.json === true);
      // Loaded when it is wanted: the other commands start sooner.
      const { compareCodes } = await import('./compare-work.js');
      await compareCodes(output, subject, flags);
    });
}

/** For commander: `rate=500` beside those before. */
function codeTimesteps(text: string, before: CompareFlags['timesteps']): CompareFlags['timesteps'] {
  const [code, steps] = text.split('=', 2);
  const known = SIMULATED_CODES.find((name) => name === code);
  if (known === undefined || steps === undefined)
    throw new ValueError(`CODE=N with one of ${SIMULATED_CODES.join(', ')}`, text);
  if (before[known] !== undefined) throw new ValueError(`one number of time steps for ${known}`, text);
  return { ...before, [known]: limitedOption('simulatedSteps')(steps) };
}
