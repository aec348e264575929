// What tests do with runs: collect events, break off, read the trained network, and reach states that take a while.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Mode } from '../../lib';
import type { Phase, TrainEvent } from '../../lib/train/run/events';
import { loadRun } from '../../lib/train/run/load-run';
import { thisOwner, type Owner } from '../../lib/train/run/owner';
import { tinyConfig } from './command-line';

/** All events of a training, each given to `onEvent` before the next is asked for. */
export async function collect(
  stream: AsyncIterable<TrainEvent>,
  onEvent: (event: TrainEvent) => unknown = () => undefined,
): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of stream) {
    events.push(event);
    await onEvent(event);
  }
  return events;
}

/** Leaves a training, which reports every step, after the fourth step of this phase: that saves the run. */
export async function leaveIn(stream: AsyncIterable<TrainEvent>, phase: Phase): Promise<void> {
  for await (const event of stream)
    if (event.event === 'progress' && event.phase === phase && event.activity === 'train' && event.step === 4) break;
}

/** The bytes of the final model of a run, as a text to compare. */
export const modelBytes = (run: string): string => readFileSync(join(run, 'model.safetensors')).toString('base64');

/** The share of the test images of a run that its network, or its best ANN with ReLU, classifies rightly. */
export async function testAccuracy(path: string, mode: Mode, which: 'network' | 'ann' = 'network'): Promise<number> {
  const run = await loadRun(path);
  const network = await run[which]({ backend: 'cpu' });
  const { test: images } = await run.dataset();
  const { predictions } = await network.forward(images.pixels, { mode });
  await network.dispose();
  return predictions.reduce((sum, label, i) => sum + (label === images.labels[i] ? 1 : 0), 0) / images.count;
}

/** The layers of `tinyConfig` with batch normalisation of the convolutions. */
export const normalisedLayers = tinyConfig.model.layers.map((layer) =>
  layer.type === 'conv' ? { ...layer, norm: 'batch' } : { ...layer },
);

/** Leaves a lock as this process would have written it, but for what `other` says; one that is there is replaced. */
export function lockRun(run: string, other: Partial<Owner>): void {
  const written = join(run, '.written');
  writeFileSync(written, JSON.stringify({ ...thisOwner('left'), ...other }));
  renameSync(written, join(run, 'run.lock'));
}
