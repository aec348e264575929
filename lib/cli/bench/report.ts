// The results of a bench: one object for programs, a few lines for people.
import { hostInfo } from '../../native/devices';
import { layerName } from '../../model/layer';
import type { Network } from '../../model/network';
import type { Output } from '../output';
import { compact, table } from '../style';
import { median, type Measurement } from './measure';
import type { BenchSettings } from './settings';

/** One row of the JSON: an operation of a layer in one step. */
function layerRows(network: Network, measured: Measurement, steps: number): object[] {
  return measured.profile.map(({ layer, operation, kernel, density, milliseconds, calls }) => ({
    layer: layer === null ? null : layerName(layer),
    type: layer === null ? null : network.description.layers[layer]!.type,
    operation,
    kernel,
    density,
    milliseconds: milliseconds / steps,
    calls: calls / steps,
  }));
}

/**
 * The `bench` event. Bytes are bytes; `workingSet` is the peak less what any program for this work must hold,
 * `runtimeRss` what the process had held before there was a network: all of the host's memory. `networkBytes` is the
 * backend's, which is the GPU's on cuda.
 */
export function benchEvent(network: Network, settings: BenchSettings, measured: Measurement & { runtimeRss: number }) {
  const { source, batch, iterations } = settings;
  const { description, threads, backend, device, precision, processor } = network;
  const { parameterBytes, gradientBytes, optimizerBytes } = measured.needed;
  const info = hostInfo();
  const middle = median(measured.milliseconds);
  const recorded = network.recorded();
  const round = (share: number): number => Math.round(1e4 * share) / 1e4;
  return {
    event: 'bench',
    model: description.name,
    mode: settings.mode,
    batch,
    timesteps: description.timesteps,
    classes: description.layers.at(-1)!.out,
    surrogate: description.surrogate,
    ...('run' in source
      ? { run: source.run, images: source.images }
      : { activity: source.activity, norm: source.norm }),
    backend,
    device,
    processor,
    precision,
    threads,
    version: info.version,
    simd: info.simdTarget,
    node: process.version,
    cpu: info.cpu,
    warmup: settings.warmup,
    iterations,
    imagesPerSecond: (1000 * batch) / middle,
    best: (1000 * batch) / Math.min(...measured.milliseconds),
    milliseconds: middle,
    millisecondsPerImage: middle / batch,
    spikesPerNeuron: measured.activity.map((layer) => round(layer.spikesPerNeuron)),
    meanSpikesPerNeuron: measured.spikesPerNeuron === null ? null : round(measured.spikesPerNeuron),
    ...(measured.decisionStep === null ? {} : { decisionStep: round(measured.decisionStep) }),
    peakRss: measured.peakRss,
    setupPeakRss: measured.setupPeakRss,
    runtimeRss: measured.runtimeRss,
    parameterBytes,
    gradientBytes,
    optimizerBytes,
    networkBytes: network.memoryBytes(),
    ...(backend === 'cuda' ? { recorded: recorded.recorded, recordedReason: recorded.reason } : {}),
    workingSet: measured.peakRss - parameterBytes - gradientBytes - optimizerBytes,
    ...(settings.layers ? { layers: layerRows(network, measured, iterations) } : {}),
  };
}

const bytes = (count: number): string => `${compact(count)}B`;

export function showBench(
  output: Output,
  network: Network,
  settings: BenchSettings,
  measured: Measurement,
  event: ReturnType<typeof benchEvent>,
): void {
  const { paint } = output;
  const { source } = settings;
  const what =
    'run' in source ? `${source.run}, its ${source.images} images` : `activity ${source.activity}, random weights`;
  output.line(
    `${event.model} ${event.mode}, batch ${event.batch}, T = ${event.timesteps}, ${event.precision}, ${what}`,
  );
  output.line(
    `${event.processor}, ${event.threads} thread${event.threads === 1 ? '' : 's'}, onespike ${event.version}, node ${event.node}`,
  );
  output.line(
    `${paint('bold', `${event.imagesPerSecond.toFixed(1)} images/s`)}  ${event.milliseconds.toPrecision(4)} ms per ${event.batch === 1 ? 'image' : 'step'} (median of ${event.iterations}), best ${event.best.toFixed(1)} images/s`,
  );
  output.line(
    `memory  peak ${bytes(event.peakRss)}, of which ${settings.training ? 'parameters, gradients and momentum' : 'parameters'} ${bytes(event.peakRss - event.workingSet)}, working set ${bytes(event.workingSet)}`,
  );
  if (event.backend === 'cuda')
    output.line(
      `GPU     ${bytes(event.networkBytes)}, steps ${event.recorded === true ? 'run as CUDA graphs' : `are not recorded: ${event.recordedReason}`}`,
    );
  if (event.meanSpikesPerNeuron !== null)
    output.line(`spikes/neuron ${event.meanSpikesPerNeuron}; by layer: ${event.spikesPerNeuron.join(', ')}`);
  if (measured.decisionStep !== null)
    output.line(`early exit: decided at step ${measured.decisionStep.toFixed(2)} of ${event.timesteps} on average`);
  if (settings.layers) output.line(profileTable(network, measured, settings.iterations));
}

function profileTable(network: Network, measured: Measurement, steps: number): string {
  const total = measured.profile.reduce((sum, entry) => sum + entry.milliseconds, 0);
  const rows = measured.profile.map(({ layer, operation, kernel, density, milliseconds, calls }) => [
    layer === null ? 'all' : `${layerName(layer)} ${network.description.layers[layer]!.type}`,
    operation,
    kernel === '' ? '–' : kernel,
    density.toFixed(3),
    (milliseconds / steps).toFixed(3),
    `${((100 * milliseconds) / total).toFixed(1)} %`,
    compact(calls / steps),
  ]);
  return table([['layer', 'operation', 'kernel', 'density', 'ms/step', 'share', 'calls/step'], ...rows], [0, 1, 2]);
}
