// Anytime prediction: what the network would answer if it were stopped after each time step.
import { checkInteger, checkNumber, checkTypedArray } from '../check';
import { OneSpikeError } from '../errors';
import { LIMITS } from '../native/limits';

export interface AnytimeOptions {
  classes: number;
  timesteps: number;
  /** V of the output layer, > 0. */
  threshold: number;
  /** The factors of V at each step (T); all 1 by default. */
  theta?: Float32Array | undefined;
  /** Weights of the membrane and the spike-time term, as in the description. */
  alpha: number;
  beta: number;
}

/** What a network would answer if it were stopped after each time step. */
export interface Anytime {
  /** The class predicted at each step (N, T). */
  predictions: Int32Array;
  /** The first step, 1..T, from which the prediction stays what it is at the end (N). */
  decisionSteps: Int32Array;
}

/** Position of the largest of `count` numbers from `start`; the first of equals. */
export function argmax(values: ArrayLike<number>, start: number, count: number): number {
  let best = 0;
  for (let k = 1; k < count; k++) if (values[start + k]! > values[start + best]!) best = k;
  return best;
}

/**
 * Predictions after every step, from the potentials (N, T, K) of the output layer. The logit of class k at step t is
 * that of the whole run with T replaced by t:
 *
 *     alpha * U_k(t) / V + beta * (t + 1 - t_k)      t_k = first step <= t with U_k > V theta, or t + 1
 *
 * Errors: ERR_ARG, ERR_SHAPE.
 */
export function anytime(potentials: Float32Array, options: AnytimeOptions): Anytime {
  const values = checkTypedArray(potentials, 'potentials', 'Float32Array');
  const classes = checkInteger(options.classes, 'classes', { min: 1 });
  const timesteps = checkInteger(options.timesteps, 'timesteps', LIMITS.timesteps);
  const threshold = checkNumber(options.threshold, 'threshold', { min: 0, exclusive: true });
  const alpha = checkNumber(options.alpha, 'alpha');
  const beta = checkNumber(options.beta, 'beta');
  // Products of floats, as native code compares with.
  const thresholds = Float32Array.from({ length: timesteps }, (_, t) => threshold * (options.theta?.[t] ?? 1));
  const perImage = classes * timesteps;
  if (values.length % perImage !== 0) {
    throw new OneSpikeError(
      'ERR_SHAPE',
      `Expected a multiple of ${perImage} (T*K) elements for potentials but received ${values.length}`,
    );
  }
  const images = values.length / perImage;
  const predictions = new Int32Array(images * timesteps);
  const decisionSteps = new Int32Array(images);
  const firstSpike = new Int32Array(classes);
  const logits = new Float64Array(classes);
  for (let n = 0; n < images; n++) {
    firstSpike.fill(0);
    for (let t = 1; t <= timesteps; t++) {
      for (let k = 0; k < classes; k++) {
        const u = values[n * perImage + (t - 1) * classes + k]!;
        if (firstSpike[k] === 0 && u > thresholds[t - 1]!) firstSpike[k] = t;
        const early = firstSpike[k] === 0 ? 0 : t + 1 - firstSpike[k]!;
        logits[k] = (alpha * u) / threshold + beta * early;
      }
      predictions[n * timesteps + t - 1] = argmax(logits, 0, classes);
    }
    let step = timesteps;
    const final = predictions[n * timesteps + timesteps - 1];
    while (step > 1 && predictions[n * timesteps + step - 2] === final) step--;
    decisionSteps[n] = step;
  }
  return { predictions, decisionSteps };
}
