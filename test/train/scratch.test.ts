// Spiking training from random weights, without a conversion that sets the thresholds: it learns with the default
// configuration.
import { join } from 'node:path';
import type { TrainConfigInput } from '../../lib/train/config/config';
import { train } from '../../lib/train/loop/train';
import type { EpochEvent } from '../../lib/train/run/events';
import { temporaryFolder } from '../helpers/command-line';

const folder = temporaryFolder();

/** The last of some epochs of the default network, on fewer and smaller images of its default data set. */
async function lastEpoch(model: object, epochs: number): Promise<EpochEvent> {
  const config = {
    model,
    dataset: { size: 16, trainCount: 4000, testCount: 100, validation: 0 },
    backend: 'cpu',
    ann: { epochs: 0 },
    convert: { enabled: false },
    snn: { epochs },
    energy: { images: 0 },
    out: join(folder, String(epochs)),
  } as unknown as TrainConfigInput;
  let last: EpochEvent | undefined;
  for await (const event of train(config)) if (event.event === 'epoch') last = event;
  return last!;
}

/** The loss of a network that knows nothing of ten classes. */
const chance = Math.log(10);

test('the loss falls, and every layer comes to fire', async () => {
  // The deep layers fire after some 200 steps. Four epochs are 500: then the loss is 1.96, with other seeds less.
  const { trainLoss, layers } = await lastEpoch({}, 4);
  expect(trainLoss).toBeLessThan(chance - 0.15);
  for (const { spikesPerNeuron } of layers) expect(spikesPerNeuron).toBeGreaterThan(0.001);
}, 300_000);

test('the test itself: with a surrogate that reaches no silent neuron the loss stays at chance', async () => {
  const { trainLoss } = await lastEpoch({ surrogate: 'triangle' }, 2);
  expect(trainLoss).toBeGreaterThan(chance - 0.01);
}, 300_000);
