// Multinomial logistic regression on raw pixels, by stochastic gradient descent: what a data set gives away without
// convolutions.
import { SeededRandom } from '../../../lib/data/random';
import type { ImageSet } from '../../../lib/data/types';

/** Test accuracy (a fraction) after `epochs` passes over `train`. */
export function linearAccuracy(train: ImageSet, test: ImageSet, epochs: number, learningRate: number): number {
  const inputs = train.pixels.length / train.count;
  const classes = train.classes.length;
  const weights = new Float64Array(classes * (inputs + 1));
  const x = new Float64Array(inputs + 1);
  const scores = new Float64Array(classes);
  const forward = (set: ImageSet, image: number): void => {
    for (let j = 0; j < inputs; j++) x[j] = set.pixels[image * inputs + j]! / 127.5 - 1;
    x[inputs] = 1;
    for (let k = 0; k < classes; k++) {
      let sum = 0;
      for (let j = 0; j <= inputs; j++) sum += weights[k * (inputs + 1) + j]! * x[j]!;
      scores[k] = sum;
    }
  };
  const random = new SeededRandom(1);
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const image of random.shuffle(Uint32Array.from({ length: train.count }, (_, i) => i))) {
      forward(train, image);
      const highest = Math.max(...scores);
      const exponentials = scores.map((score) => Math.exp(score - highest));
      const sum = exponentials.reduce((a, b) => a + b, 0);
      for (let k = 0; k < classes; k++) {
        const slope = learningRate * (exponentials[k]! / sum - (train.labels[image] === k ? 1 : 0));
        for (let j = 0; j <= inputs; j++) weights[k * (inputs + 1) + j]! -= slope * x[j]!;
      }
    }
  }
  let correct = 0;
  for (let image = 0; image < test.count; image++) {
    forward(test, image);
    if (scores.indexOf(Math.max(...scores)) === test.labels[image]) correct++;
  }
  return correct / test.count;
}
