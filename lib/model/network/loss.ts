// The loss of a training step, and the checks that turn it into what native code takes.
import { checkNumber, checkOneOf, checkOptions, expected } from '../../check';
import { OneSpikeError } from '../../errors';
import { LIMITS } from '../../native/limits';
import type { CheckedLoss, NativeNetwork } from '../../native/network';
import { checkLimited } from '../../native/limited';
import type { Network } from '../network';
import { MODES, type BatchShape, type Mode } from './inputs';

/**
 * Another network whose logits on the same images a training step compares with (docs/MATHEMATICS.md, "Distillation").
 */
export interface DistillationOptions {
  /** The teacher: another network with the same input and classes, which is busy as long as the job. */
  teacher: Network;
  /** The mode of the teacher; `ann` by default. */
  mode?: Mode | undefined;
  /** The weight of the teacher in the loss, from 0 to 1; the labels have the rest. */
  weight: number;
  /** The temperature that both sets of logits are divided by, from 0.01 to 1000; 1 by default. */
  temperature?: number | undefined;
}

/** A limit on the spikes of hidden layers that training aims at (docs/MATHEMATICS.md, "Activity target"). */
export interface ActivityTarget {
  /** The activity: spikes per hidden neuron, weighed by fan-out, from 0 to 1. Below it spikes are free. */
  target: number;
  /** The factor of the penalty, from 0 (none) to 1e6. */
  strength: number;
}

/** What the loss of a training step compares the logits with. */
export interface LossOptions {
  /** The label smoothing ε, from 0 to below 1: all K classes have ε/K of every label; 0 by default. */
  labelSmoothing?: number | undefined;
  /** The teacher whose logits are compared with as well; none by default. */
  distillation?: DistillationOptions | undefined;
  /** The activity that training aims at; none by default. Modes `binary` and `snn` only. */
  activity?: ActivityTarget | undefined;
  /**
   * The weights of the loss after each of the T steps, none below 0, with the sum 1; by default the last step alone
   * counts. Mode `snn` only.
   */
  timeWeights?: readonly number[] | undefined;
  /**
   * The probability with which each hidden layer sends its spikes in a training step, and else one number: the share of
   * the threshold that its membrane potential reaches, from 0 to 1. Of a network with a code it sends its code or else
   * the ReLU of its weighted input. 1, no relaxation, by default. Mode `snn` only.
   */
  quantised?: number | undefined;
  /** The weight of the squared distance of time constants and delays from their initial values; 0 by default. */
  kernelPenalty?: number | undefined;
  /**
   * The weight of the expected number of neurons that send anything, in the normalised layers of a network with a code;
   * 0 by default. `loss` of a result does not contain the penalties.
   */
  spikePenalty?: number | undefined;
}

/** Names of `LossOptions`, for the methods that take them among others. */
export const LOSS_KEYS = [
  'labelSmoothing',
  'distillation',
  'activity',
  'timeWeights',
  'quantised',
  'kernelPenalty',
  'spikePenalty',
] as const satisfies readonly (keyof LossOptions)[];

/** What a loss must fit: the network that learns, and its teacher if one was given. */
export interface LossShape extends BatchShape {
  timesteps: number;
  coded: boolean;
}
export interface Teacher extends BatchShape {
  native: NativeNetwork;
}

/** Fills in the defaults of the loss among the options of a method. Errors: ERR_ARG, ERR_SHAPE. */
export function checkLoss(
  { labelSmoothing = 0, distillation, activity, timeWeights, ...ofCode }: { [key in keyof LossOptions]?: unknown },
  mode: Mode,
  shape: LossShape,
  teacher: Teacher | undefined,
): CheckedLoss {
  if (timeWeights !== undefined && mode !== 'snn')
    throw new OneSpikeError('ERR_ARG', `Expected mode 'snn' for timeWeights but received '${mode}', which has no time`);
  if (activity !== undefined && mode === 'ann')
    throw new OneSpikeError('ERR_ARG', "Expected mode 'binary' or 'snn' for activity but received 'ann'");
  for (const [name, value] of Object.entries({ activity, timeWeights }))
    if (value !== undefined && shape.coded)
      throw expected('nothing (a network with a code has no time steps)', name, value);
  const { quantised = 1, kernelPenalty = 0, spikePenalty = 0 } = ofCode;
  if (ofCode.quantised !== undefined && mode !== 'snn')
    throw new OneSpikeError('ERR_ARG', `Expected mode 'snn' for quantised but received '${mode}', which sends numbers`);
  for (const key of ['kernelPenalty', 'spikePenalty'] as const)
    if (ofCode[key] !== undefined && !shape.coded)
      throw expected('nothing (the network has no code)', key, ofCode[key]);
  return {
    quantised: checkNumber(quantised, 'quantised', LIMITS.quantised),
    kernelPenalty: checkNumber(kernelPenalty, 'kernelPenalty', LIMITS.penalty),
    spikePenalty: checkNumber(spikePenalty, 'spikePenalty', LIMITS.penalty),
    labelSmoothing: checkLimited(labelSmoothing, 'labelSmoothing', 'labelSmoothing'),
    distillation: distillation === undefined ? null : checkDistillation(distillation, shape, teacher),
    activity: activity === undefined ? null : checkActivity(activity),
    timeWeights: timeWeights === undefined ? null : checkTimeWeights(timeWeights, 'timeWeights', shape.timesteps),
  };
}

function checkDistillation(
  distillation: unknown,
  shape: LossShape,
  teacher: Teacher | undefined,
): NonNullable<CheckedLoss['distillation']> {
  const name = 'distillation';
  const given = checkOptions(distillation, name, ['teacher', 'mode', 'weight', 'temperature']);
  const { mode = 'ann', weight, temperature = 1 } = given;
  if (teacher === undefined) throw expected('another network', `${name}.teacher`, given.teacher);
  const fits = teacher.classes === shape.classes && teacher.input.every((side, i) => side === shape.input[i]);
  if (!fits) {
    const text = ({ input, classes }: BatchShape): string => `images of ${input.join(' x ')} and ${classes} classes`;
    throw expected(`a network for ${text(shape)}`, `${name}.teacher`, `one for ${text(teacher)}`, 'ERR_SHAPE');
  }
  return {
    teacher: teacher.native,
    mode: checkOneOf(mode, `${name}.mode`, MODES),
    weight: checkLimited(weight, `${name}.weight`, 'distillation'),
    temperature: checkLimited(temperature, `${name}.temperature`, 'temperature'),
  };
}

function checkActivity(activity: unknown): NonNullable<CheckedLoss['activity']> {
  const { target, strength } = checkOptions(activity, 'activity', ['target', 'strength']);
  return {
    target: checkLimited(target, 'activity.target', 'activityTarget'),
    strength: checkLimited(strength, 'activity.strength', 'activityStrength'),
  };
}

/** How far the sum of the weights may be from 1: they were written down by people. */
const SUM_TOLERANCE = 1e-6;

/** One weight per step. Errors: ERR_ARG, naming the fault. */
export function checkTimeWeights(weights: unknown, name: string, timesteps: number): number[] {
  if (!Array.isArray(weights) || weights.length !== timesteps)
    throw expected(`a list of ${timesteps} numbers (one per time step)`, name, weights);
  const list = Array.from(weights, (weight: unknown, i) => checkLimited(weight, `${name}[${i}]`, 'share'));
  const sum = list.reduce((total, weight) => total + weight, 0);
  if (Math.abs(sum - 1) > SUM_TOLERANCE) throw expected('weights with the sum 1', name, `the sum ${sum}`);
  return list;
}
