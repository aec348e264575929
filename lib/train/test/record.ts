// The record of the test images of a network that is not being trained.
import type { ImageSet } from '../../data';
import { layerName } from '../../model/layer';
import type { Network } from '../../model/network';
import type { TrainConfig } from '../config/config';
import { measureEnergy } from '../loop/energy';
import { evaluateImages } from '../loop/evaluate';
import type { Sharing } from '../loop/shares';
import type { Phase } from '../run/events';
import { neuronParameters } from '../run/neurons';
import type { NeuronParameters, TestRecord } from '../run/test-record';
import { AnswerCollector } from './answers';
import { SpikeTimeCounter, traceExamples } from './spike-times';

export interface RecordOptions {
  mode: Phase;
  config: Pick<TrainConfig, 'evaluation' | 'energy'>;
  signal?: AbortSignal | undefined;
  /** The ranks that measure together; none by default. The record is the same on all of them. */
  sharing?: Sharing | null | undefined;
}

/** Evaluates the test images once and records what the network did with them. Errors: ERR_ABORTED, ERR_OOM. */
export async function recordTest(
  network: Network,
  test: ImageSet,
  { mode, config, signal }: RecordOptions,
): Promise<TestRecord> {
  const collector = new AnswerCollector(test.labels, test.classes.length);
  const { batch } = config.evaluation;
  for await (const { logits } of evaluateImages(network, test, { mode, batch, logits: true, signal }))
    collector.add(logits!);
  return completeRecord(network, test, collector, { mode, config, signal });
}

/** The record from answers that have been collected: energy, spike times and examples are measured now. */
export async function completeRecord(
  network: Network,
  test: ImageSet,
  { answers }: AnswerCollector,
  { mode, config, signal, sharing = null }: RecordOptions,
): Promise<TestRecord> {
  // Neurons of a code have no time steps in common, no thresholds and no leaks.
  const coded = network.description.code !== undefined;
  const counter = new SpikeTimeCounter(network);
  const measured = mode === 'snn' && config.energy.images > 0;
  const energy = measured
    ? await measureEnergy(network, test, {
        images: config.energy.images,
        batch: config.evaluation.batch,
        signal,
        sharing,
        ...(coded ? {} : { onTrace: (spikeTimes, images) => counter.add(spikeTimes, images) }),
      })
    : null;
  if (sharing !== null) await counter.join(sharing);
  const { classes, shape: input } = test;
  const examples = await traceExamples(network, test, answers, mode, { signal, sharing });
  const times = measured && !coded ? counter.times : [];
  const neurons = mode === 'snn' && !coded ? await neuronsOf(network) : [];
  return { mode, classes, input, answers, times, neurons, energy, ...examples };
}

async function neuronsOf(network: Network): Promise<NeuronParameters[]> {
  const thresholds = await neuronParameters(network, 'threshold');
  const leaks = await neuronParameters(network, 'leak');
  return network.layers.map(({ layer }) => ({
    layer,
    threshold: thresholds[`${layerName(layer)}.threshold`]!,
    leak: leaks[`${layerName(layer)}.leak`]!,
  }));
}
