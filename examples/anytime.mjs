// How early does the network know? Accuracy if it were stopped after each time step, on the test images of a run.
// `node anytime.mjs RUN` takes a run of yours; without an argument a small one is trained first.
import { loadRun, train } from 'onespike';

const config = {
  dataset: { name: 'shapes', trainCount: 500, testCount: 100 },
  model: {
    timesteps: 5,
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
};

let path = process.argv[2];
if (path === undefined) {
  for await (const event of train(config)) if (event.event === 'done') path = event.run;
}

const run = await loadRun(path);
const network = await run.network();
const { test } = await run.dataset();
const { potentials } = await network.forward(test.pixels, { potentials: true });
const { predictions, decisionSteps } = await network.anytime(potentials);

const { timesteps } = network.description;
for (let step = 1; step <= timesteps; step++) {
  let correct = 0;
  let decided = 0;
  for (let n = 0; n < test.count; n++) {
    if (predictions[n * timesteps + step - 1] === test.labels[n]) correct++;
    if (decisionSteps[n] <= step) decided++;
  }
  console.log(
    `step ${step}: ${((100 * correct) / test.count).toFixed(1)} % correct, ${((100 * decided) / test.count).toFixed(1)} % decided`,
  );
}

await network.dispose();
