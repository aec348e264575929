// What a golden case must come out as, on every backend and in both precisions. Without jest, so that a machine that
// has nothing but Node.js can ask as well (run.ts).
//
// fp32: the numbers that PyTorch computed in float64. No decision of any case is nearer than 1e-5 to a tie, so spike
// times must match exactly; 1e-4 of a tensor's norm allows for float32 sums.
//
// mixed: products take bf16 operands, 8 bits of mantissa, and add in 32 bits. Of a forward pass over spikes only the
// weights are rounded: with weights that bf16 holds exactly spike times must match exactly as well, and everything
// forward within 1e-4. The weights of the cases are not such numbers, so they are rounded first, and the reference is
// what the CPU makes of the rounded ones in fp32, which the fp32 run holds against PyTorch. What is rounded then is
// g(t) and a(t) of a gradient, by up to 2^-9 each, and in an ANN the activations too. In sums over many terms most of
// that cancels: 1e-2 of a tensor's norm is allowed, and 5e-3 was the most on the emulator. Gradients of thresholds and
// leaks are sums of large terms of both signs, so that one of them can be off by a quarter of itself; together they are
// held to 5e-2 of their norm.
import type { Network } from '../../lib';
import type { Precision } from '../../lib/model/network';
import type { BackendName } from '../../lib/native/devices';
import { distance, numbers, type Golden } from '../helpers/golden';

export interface On {
  backend: BackendName;
  precision: Precision;
}

/** Ten steps of one of PyTorch's optimisers on the batch of a case. */
export interface TrainingRun {
  case: string;
  mode: 'ann' | 'snn';
  losses: number[];
  absoluteSums: Record<string, number>;
  [option: string]: unknown;
}

/** The class of the package under test. */
export type NetworkClass = typeof Network;

interface Tolerances {
  forward: number;
  gradient: number;
  /** Of the gradients of all thresholds and leaks together; null: each by itself, like the others. */
  neurons: number | null;
}
const EXACT: Tolerances = { forward: 1e-4, gradient: 1e-4, neurons: null };
const ROUNDED: Tolerances = { forward: 1e-4, gradient: 1e-2, neurons: 5e-2 };
const ROUNDED_DENSE: Tolerances = { ...ROUNDED, forward: 1e-2 };
// Statistics of a few images amplify rounding: weights of the case `norm`, groups of 4, that are off by up to 2^-9
// change the gradients in fp32 by up to 6 % of their norm, and bf16 by 4 to 7 %.
const ROUNDED_NORM: Tolerances = { ...ROUNDED_DENSE, gradient: 1.2e-1 };

/** Values by their names in a golden file. */
type Values = Map<string, ArrayLike<number>>;

export function expectClose(
  name: string,
  value: ArrayLike<number>,
  reference: ArrayLike<number>,
  tolerance: number,
): void {
  const off = distance(value, reference);
  if (!(off <= tolerance)) throw new Error(`Expected ${name} within ${tolerance} of its norm but it is off by ${off}`);
}

const isGradient = (name: string): boolean => /(^|\.)grad\./.test(name);
const isNeuron = (name: string): boolean => isGradient(name) && /\.(threshold|leak|kappa|theta)$/.test(name);

function expectValues(values: Values, references: Values, tolerances: Tolerances): void {
  const neurons: { values: number[]; references: number[] } = { values: [], references: [] };
  for (const [name, reference] of references) {
    const value = values.get(name);
    if (value === undefined) throw new Error(`Expected ${name} but there is none`);
    if (name.endsWith('.spike_time')) expectSame(name, value, reference);
    else if (tolerances.neurons !== null && isNeuron(name)) {
      neurons.values.push(...Array.from(value));
      neurons.references.push(...Array.from(reference));
    } else expectClose(name, value, reference, isGradient(name) ? tolerances.gradient : tolerances.forward);
  }
  if (tolerances.neurons !== null)
    expectClose('the gradients of thresholds and leaks', neurons.values, neurons.references, tolerances.neurons);
}

export function expectSame(name: string, value: ArrayLike<number>, reference: ArrayLike<number>): void {
  const wrong = Array.from(reference, (time, i) => [i, value[i], time] as const).filter(([, a, b]) => a !== b);
  if (value.length !== reference.length || wrong.length > 0) {
    const [i, a, b] = wrong[0] ?? [-1, value.length, reference.length];
    throw new Error(
      `Expected ${name} to match exactly but ${wrong.length} of ${reference.length} differ: [${i}] is ${a}, not ${b}`,
    );
  }
}

/** To the nearest number with 8 bits of mantissa. */
function rounded(values: Float32Array): Float32Array {
  const bits = new Uint32Array(Float32Array.from(values).buffer).map((word) => (word + 0x8000) & 0xffff0000);
  return new Float32Array(bits.buffer);
}

export function withRoundedWeights(parameters: Map<string, Float32Array>): Map<string, Float32Array> {
  return new Map(
    [...parameters].map(([name, values]) => [name, name.endsWith('.weight') ? rounded(values) : values] as const),
  );
}

export async function withNetwork<T>(
  type: NetworkClass,
  golden: Golden,
  on: On,
  parameters: Map<string, Float32Array>,
  use: (network: Network) => Promise<T>,
): Promise<T> {
  const network = await type.create(golden.description, { ...on, seed: 1, threads: 2 });
  try {
    await network.setParameters(parameters);
    return await use(network);
  } finally {
    await network.dispose();
  }
}

/** The potentials of the output layer after the last step. */
function lastPotentials(potentials: Float32Array, timesteps: number, classes: number): Float32Array {
  const images = potentials.length / (timesteps * classes);
  return Float32Array.from({ length: images * classes }, (_, i) => {
    const row = Math.floor(i / classes) * timesteps + timesteps - 1;
    return potentials[row * classes + (i % classes)]!;
  });
}

async function spikingValues(network: Network, { description, pixels, labels }: Golden): Promise<Values> {
  const { logits, spikeTimes, potentials } = await network.forward(pixels, { trace: true, potentials: true });
  const { loss, gradients } = await network.gradients(pixels, labels);
  const last = lastPotentials(potentials!, description.timesteps, logits.length / labels.length);
  const values: Values = new Map<string, ArrayLike<number>>([
    ['logits', logits],
    ['loss', [loss]],
    [`trace.layers.${description.layers.length - 1}.potential`, last],
  ]);
  for (const [layer, times] of spikeTimes!) values.set(`trace.${layer}.spike_time`, times);
  for (const [name, gradient] of gradients) values.set(`grad.${name}`, gradient);
  return values;
}

async function reluValues(network: Network, { pixels, labels }: Golden): Promise<Values> {
  const { logits } = await network.forward(pixels, { mode: 'ann' });
  const { loss, gradients } = await network.gradients(pixels, labels, { mode: 'ann' });
  const values: Values = new Map<string, ArrayLike<number>>([
    ['ann.logits', logits],
    ['ann.loss', [loss]],
  ]);
  for (const [name, gradient] of gradients) values.set(`ann.grad.${name}`, gradient);
  return values;
}

/** Loss and gradients of a training step of the ANN, which normalises groups of images. */
async function groupValues(network: Network, { pixels, labels }: Golden): Promise<Values> {
  const { loss, gradients } = await network.gradients(pixels, labels, { mode: 'ann' });
  const values: Values = new Map<string, ArrayLike<number>>([['loss', [loss]]]);
  for (const [name, gradient] of gradients) values.set(`grad.${name}`, gradient);
  return values;
}

/** The values of the golden file that `values` has to have. */
function referenceOf(golden: Golden, values: Values, wanted: RegExp): Values {
  const reference: Values = new Map();
  for (const [name, tensor] of golden.tensors) if (wanted.test(name)) reference.set(name, numbers(tensor));
  // Thresholds and leaks take no part in an ANN.
  for (const [name, value] of values)
    if (/^(ann\.)?grad\..*\.(threshold|leak)$/.test(name) && !reference.has(name))
      reference.set(name, new Array<number>(value.length).fill(0));
  const left = [...values.keys()].filter((name) => !reference.has(name));
  if (left.length > 0) throw new Error(`Expected ${left.join(', ')} in the golden file but there is none`);
  return reference;
}

async function check(
  type: NetworkClass,
  golden: Golden,
  on: On,
  compute: (network: Network, golden: Golden) => Promise<Values>,
  wanted: RegExp,
  tolerances: Tolerances,
): Promise<void> {
  if (on.precision === 'fp32') {
    const values = await withNetwork(type, golden, on, golden.parameters, (network) => compute(network, golden));
    expectValues(values, referenceOf(golden, values, wanted), EXACT);
    return;
  }
  const parameters = withRoundedWeights(golden.parameters);
  const exact: On = { backend: 'cpu', precision: 'fp32' };
  const reference = await withNetwork(type, golden, exact, parameters, (network) => compute(network, golden));
  const values = await withNetwork(type, golden, on, parameters, (network) => compute(network, golden));
  expectValues(values, reference, tolerances);
}

/**
 * Logits, loss, spike times of every layer, last potentials and gradients of a case in spiking mode. Throws what is
 * off.
 */
export async function checkSpiking(type: NetworkClass, golden: Golden, on: On): Promise<void> {
  await check(
    type,
    golden,
    on,
    spikingValues,
    /^(logits|loss|grad\..*|trace\..*\.spike_time|trace\..*\.potential)$/,
    ROUNDED,
  );
}

/** Logits, loss and gradients of a case as an ANN. Throws what is off. */
export async function checkRelu(type: NetworkClass, golden: Golden, on: On): Promise<void> {
  await check(type, golden, on, reluValues, /^ann\./, ROUNDED_DENSE);
}

/** Loss and gradients of a case with batch normalisation as an ANN in training. Throws what is off. */
export async function checkNormalised(type: NetworkClass, golden: Golden, on: On): Promise<void> {
  await check(type, golden, on, groupValues, /^(loss|grad\..*)$/, ROUNDED_NORM);
}

/**
 * Losses of ten steps, and the sums of all absolute parameters after them. In mixed precision the weights are rounded
 * anew for every step, so a spike near a tie may come a step earlier or later, and Adam moves
 * a parameter with a tiny gradient as far as any other: losses and sums within 1e-2 (3e-3 and 5e-3 was the most on the
 * emulator).
 */
export async function checkTraining(type: NetworkClass, golden: Golden, run: TrainingRun, on: On): Promise<void> {
  const { case: _case, mode, losses, absoluteSums, margin: _margin, ...optimizer } = run;
  const exact = on.precision === 'fp32';
  await withNetwork(type, golden, on, golden.parameters, async (network) => {
    const seen: number[] = [];
    for (let step = 0; step < losses.length; step++) {
      const batch = { pixels: golden.pixels, labels: golden.labels };
      seen.push((await network.trainStep(batch, { mode, optimizer: optimizer as never })).loss);
    }
    expectClose('losses', seen, losses, exact ? 1e-4 : 1e-2);
    for (const [name, { data }] of await network.parameters()) {
      const sum = data.reduce((total: number, value: number) => total + Math.abs(value), 0);
      const reference = absoluteSums[name]!;
      const off = Math.abs(sum - reference);
      const allowed = exact ? 5e-4 : 1e-2 * Math.max(1, reference);
      if (!(off <= allowed))
        throw new Error(`Expected the sum ${reference} of |${name}| within ${allowed} but it is ${sum}`);
    }
  });
}
