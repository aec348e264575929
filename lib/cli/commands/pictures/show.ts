// `show`: the spike-time maps of one picture, and when the network decided.
import type { Command } from 'commander';
import { loadImage } from '../../../data';
import { OneSpikeError } from '../../../errors';
import { atomicWrite } from '../../../io/write';
import { absolutePath, shortPath } from '../../../io/paths';
import { loadRun } from '../../../train/run/load-run';
import { traceImages } from '../../../train/test/spike-times';
import { asUsage, themeOption, checkTheme, UsageError } from '../../usage';
import { Output } from '../../output';
import { percent } from '../../style';
import { addRunCommand, withRun, type RunFlags } from '../run';

interface ShowFlags extends RunFlags {
  output?: string;
  csv?: boolean;
  theme: string;
}

export function addShow(program: Command): void {
  addRunCommand(program, 'show', 'spike-time maps of a picture, layer by layer')
    .argument('[image]', 'picture file (PNG, PPM, PGM; others with the package sharp)')
    .option('-o, --output <file>', 'write the maps as a picture, FILE.svg or FILE.png (PNG with the package sharp)')
    .option('--csv', 'without an image: the epochs of the run as a table, on stdout or in the file of -o')
    .addOption(themeOption())
    .addHelpText(
      'after',
      `
Examples:
  $ onespike show runs/vgg6-shapes-20260102-030405 cat.png -o cat.svg
  $ onespike show runs/vgg6-shapes-20260102-030405 --csv > epochs.csv`,
    )
    .action(async (path: string, image: string | undefined, flags: ShowFlags) => {
      if (flags.csv === true) return showTable(path, image, flags);
      if (image === undefined) throw new UsageError('Expected an image, or --csv for the epochs, but received neither');
      const theme = checkTheme(flags.theme);
      const pictures = await import('../../../pictures/show.js');
      const file = flags.output === undefined ? undefined : absolutePath(flags.output);
      if (file !== undefined && !/\.png$/i.test(file)) asUsage(() => pictures.checkPictureFile(file));
      await withRun(
        () => loadRun(path),
        flags,
        async (run, network, output, signal) => {
          if (run.mode !== 'snn')
            throw new OneSpikeError('ERR_STATE', 'Expected a spiking network but received a run that has only an ANN');
          if (file !== undefined) pictures.checkPictureFile(file);
          const { description } = network;
          const pixels = await loadImage(image, description.input, { signal });
          const [trace] = await traceImages(network, pixels, 'snn', signal);
          const { figure, journey } = pictures.imageFigure(description, run.classes, trace!, image);
          if (file !== undefined) await pictures.writePicture(file, figure, theme);
          const { answer, decisionStep, layers, steps } = journey;
          const probability = trace!.probabilities[answer]!;
          output.event({
            event: 'show',
            image,
            class: run.classes[answer],
            label: answer,
            probability,
            step: decisionStep,
            timesteps: description.timesteps,
            answers: Array.from(trace!.answers, (each) => run.classes[each]),
            layers: layers.map(({ layer, times, share, mean }) => ({
              layer,
              neurons: times.length,
              spikesPerNeuron: share,
              meanStep: mean,
            })),
            file: file ?? null,
          });
          const coloured = output.paint('bold', '') !== '';
          for (const layer of layers) {
            output.line(output.paint('bold', layer.name) + output.paint('dim', `  ${percent(layer.share)} fire`));
            for (const line of pictures.layerLines(layer, description.timesteps, {
              columns: output.columns - 1,
              coloured,
            }))
              output.line(line);
            output.line();
          }
          if (coloured) output.line(`${pictures.stepLegend(description.timesteps)}\n`);
          output.line(`${output.paint('bold', run.classes[answer]!)}  ${percent(probability)}`);
          output.line(steps);
          if (file !== undefined) output.line(`picture ${shortPath(file)}`);
        },
      );
    });
}

/** The epochs of a run as CSV; with --json without a file, one object with the text. */
async function showTable(path: string, image: string | undefined, flags: ShowFlags): Promise<void> {
  if (image !== undefined) throw new UsageError(`Expected no image beside --csv but received '${image}'`);
  const { csvOf } = await import('../../../tracking/csv.js');
  const output = new Output(flags.json === true);
  const { path: run, metrics } = await loadRun(path);
  const csv = csvOf(metrics);
  const file = flags.output === undefined ? null : absolutePath(flags.output);
  if (file !== null) await atomicWrite(file, csv);
  output.event({ event: 'csv', run, file, ...(file === null ? { csv } : {}) });
  if (file === null) output.text(csv);
  else output.line(`table ${shortPath(file)}`);
}
