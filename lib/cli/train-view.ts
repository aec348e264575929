// A training run as a person sees it: one live line, one line per epoch, and a table at the end.
import { shellWord, shortPath } from '../io/paths';
import type {
  ConvertedEvent,
  DoneEvent,
  EpochEvent,
  GradientExchange,
  PlanEvent,
  ProgressEvent,
  StartEvent,
  TrainEvent,
} from '../train/run/events';
import type { Output } from './output';
import { bar, compact, duration, percent, table, visibleWidth } from './style';

const activities = { train: 'training', validate: 'validating', test: 'testing', convert: 'converting' } as const;

export class TrainView {
  constructor(private readonly output: Output) {}

  /** `report` is the page of a run that is done, where one was written. */
  show(event: TrainEvent, report?: string): void {
    switch (event.event) {
      case 'start':
        return this.start(event);
      case 'progress':
        return this.output.status(this.progress(event));
      case 'epoch':
        return this.output.line(this.epoch(event));
      case 'converted':
        return this.output.line(
          `${this.output.paint('cyan', 'converted')}  test ${percent(event.accuracy)}${annAccuracies(event)}  ${event.spikesPerNeuron.toFixed(3)} spikes/neuron`,
        );
      case 'warning':
        return this.output.note(`${this.output.paint('yellow', 'warning')}  ${event.message}`);
      case 'plan':
        return this.output.line(this.plan(event));
      case 'saved':
        return;
      case 'done':
        return this.done(event, report);
    }
  }

  private start(event: StartEvent): void {
    const { paint } = this.output;
    const threads = `${event.threads} thread${event.threads === 1 ? '' : 's'}`;
    this.output.line(
      paint('bold', `onespike ${event.version}: ${event.model} on ${event.dataset}`) +
        paint('dim', `  seed ${event.seed}`),
    );
    this.output.line(
      `${event.backend} (${event.processor}, ${threads}, ${event.precision}), ${compact(event.parameters)} parameters, T = ${event.timesteps}, images: ${event.images.train} to train, ${event.images.validation} to validate, ${event.images.test} to test`,
    );
    if (event.exchange !== null)
      this.output.line(`${event.ranks} ranks add their gradients ${exchange(event.exchange)}`);
    this.output.line(
      `run: ${shortPath(event.run)}${event.resumed === null ? '' : `, resumed at stage ${event.resumed.stage}, epoch ${event.resumed.epoch + 1}, step ${event.resumed.step + 1}`}`,
    );
  }

  private plan({ minutes, width, batch, epochs, seconds }: PlanEvent): string {
    const { ann, binary, snn } = epochs;
    return (
      `${this.output.paint('cyan', 'plan')}  ${minutes} min: width ${width}, batches of ${batch}, ${ann} ANN, ${binary} binary and ` +
      `${snn} SNN epochs, ${duration(seconds)} in all`
    );
  }

  private progress(event: ProgressEvent): string {
    const { paint } = this.output;
    const epochsAfter = event.activity === 'train' ? event.epochs - event.epoch : 0;
    const imagesLeft = (event.images / event.step) * (event.steps - event.step + epochsAfter * event.steps);
    const numbers = [
      `${compact(event.imagesPerSecond)} img/s`,
      ...(event.loss === null ? [] : [`loss ${event.loss.toFixed(3)}`]),
      ...(event.accuracy === null ? [] : [percent(event.accuracy)]),
      ...(event.spikesPerNeuron === null ? [] : [`${event.spikesPerNeuron.toFixed(3)} spikes/neuron`]),
      paint('dim', `${duration(imagesLeft / event.imagesPerSecond)} left`),
    ];
    const phase = `${paint('cyan', event.phase)} ${event.epoch}/${event.epochs}`;
    const share = event.step / event.steps;
    // From long to short: the first one that fits the terminal.
    const lines = [
      [phase, activities[event.activity], bar(share, 16), ...numbers],
      [phase, bar(share, 6), ...numbers],
      [phase, ...numbers],
    ].map((parts) => parts.join('  '));
    return lines.find((line) => visibleWidth(line) < this.output.columns) ?? lines.at(-1)!;
  }

  private epoch(event: EpochEvent): string {
    const { paint } = this.output;
    const spikes = event.layers.length > 0 ? `  ${event.spikesPerNeuron.toFixed(3)} spikes/neuron` : '';
    const number = `${String(event.epoch).padStart(String(event.epochs).length)}/${event.epochs}`;
    return (
      `${paint('cyan', event.phase)} ${number}  loss ${event.trainLoss.toFixed(3)}  train ${percent(event.trainAccuracy)}  validation ${percent(event.validationAccuracy)}` +
      `${spikes}  ${compact(event.imagesPerSecond)} img/s  ${duration(event.seconds)}${event.best ? paint('green', '  best') : ''}${event.stopsEarly ? paint('yellow', '  out of patience') : ''}`
    );
  }

  private done(event: DoneEvent, report: string | undefined): void {
    const { output } = this;
    const { paint } = output;
    output.line();
    const rows = [
      [paint('bold', 'network'), paint('bold', 'test accuracy')],
      ['ANN', percent(event.ann.testAccuracy, 2)],
      ...(event.binary.testAccuracy === null ? [] : [['binary ANN', percent(event.binary.testAccuracy, 2)]]),
      ['converted', percent(event.converted.testAccuracy, 2)],
      ['SNN', percent(event.snn.testAccuracy, 2)],
    ];
    output.line(table(rows));
    if (event.snn.layers.length > 0) {
      output.line();
      output.line(activityTable(event.snn.layers, event.snn.spikesPerNeuron ?? 0, paint('bold', 'spikes/neuron')));
    }
    output.line();
    if ('account' in event.energy) {
      output.line(
        `energy    ANN / SNN = ${event.energy.ratio?.toFixed(1) ?? '–'} (${event.energy.account}, ${event.energy.constants}); every account: onespike energy ${shellWord(shortPath(event.run))}`,
      );
    }
    output.line(`time      ${duration(event.seconds)}, CPU time ${duration(event.cpuSeconds)}`);
    output.line(`run       ${shortPath(event.run)}`);
    if (report !== undefined) output.line(`report    ${shortPath(report)}`);
    output.line(`next      ${paint('bold', `onespike predict ${shellWord(shortPath(event.run))} IMAGE...`)}`);
  }
}

const exchange = ({ engine, version, reason }: GradientExchange): string =>
  engine === 'nccl' ? `between their GPUs, by NCCL ${version}` : `through their hosts, by MPI: ${reason}`;

export function activityTable(
  layers: readonly { layer: string; neurons: number; spikesPerNeuron: number }[],
  mean: number,
  heading: string,
): string {
  const total = layers.reduce((sum, layer) => sum + layer.neurons, 0);
  return table([
    ['layer', 'neurons', heading],
    ...layers.map(({ layer, neurons, spikesPerNeuron }) => [layer, String(neurons), spikesPerNeuron.toFixed(3)]),
    ['all', String(total), mean.toFixed(3)],
  ]);
}

/** The accuracies of the networks that a conversion began with, in brackets. */
function annAccuracies({ annTestAccuracy: ann, binaryTestAccuracy: binary }: ConvertedEvent): string {
  const known = [
    ...(ann === null ? [] : [`ANN ${percent(ann)}`]),
    ...(binary === null ? [] : [`binary ANN ${percent(binary)}`]),
  ];
  return known.length === 0 ? '' : ` (${known.join(', ')})`;
}
