// Train a small network on the embedded data set: first with ReLU, then converted, then spiking. Ctrl-C stops after
// the current step and leaves a run that `npx onespike resume` takes up again.
import { train } from 'onespike';

const controller = new AbortController();
process.once('SIGINT', () => controller.abort());

const config = {
  dataset: { name: 'shapes', trainCount: 500, testCount: 100, size: 16 },
  model: {
    timesteps: 4,
    layers: [
      { type: 'conv', out: 8 },
      { type: 'avgpool' },
      { type: 'conv', out: 16 },
      { type: 'avgpool' },
      { type: 'linear', out: 10, output: true },
    ],
  },
  ann: { epochs: 2 },
  snn: { epochs: 2 },
  out: 'shapes-run',
};

for await (const event of train(config, { signal: controller.signal })) {
  if (event.event === 'epoch')
    console.log(
      `${event.phase} epoch ${event.epoch}: loss ${event.trainLoss.toFixed(3)}, accuracy ${event.validationAccuracy}`,
    );
  if (event.event === 'converted') console.log(`converted: accuracy ${event.accuracy}`);
  if (event.event === 'done')
    console.log(`done in ${event.seconds.toFixed(1)} s: ${event.run}, test accuracy ${event.snn?.testAccuracy}`);
}
