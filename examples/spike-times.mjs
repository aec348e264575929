// A small network, its spike times and its gradients: no training involved.
import { Network, vgg } from 'onespike';

const network = await Network.create(vgg('vgg6', { classes: 10, timesteps: 5, width: 0.25, hidden: [64] }), {
  backend: 'cpu',
  seed: 1,
});

// Four images of random bytes, (N, C, H, W).
const pixels = Uint8Array.from({ length: 4 * 3 * 32 * 32 }, (_, i) => (i * 2654435761) >>> 24);
const { predictions, spikeTimes } = await network.forward(pixels, { trace: true });
console.log('predictions', [...predictions]);

for (const [layer, times] of spikeTimes) {
  // One byte per neuron: the step at which it fired, 0 = never.
  const fired = times.reduce((sum, time) => sum + (time > 0 ? 1 : 0), 0);
  console.log(`${layer}: ${times.length / 4} neurons, ${((100 * fired) / times.length).toFixed(1)} % fired`);
}

const { loss, gradients } = await network.gradients(pixels, [0, 1, 2, 3]);
console.log('loss', loss.toFixed(4));
for (const [name, gradient] of gradients) {
  console.log(
    name,
    'gradient norm',
    Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0)).toExponential(3),
  );
}

await network.dispose();
