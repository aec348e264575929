// The rule of a training step, and the checks that turn it into what native code takes.
import { checkBoolean, checkOneOf, checkOptions, expected } from '../../check';
import type { LimitName } from '../../native/limits';
import type { NativeOptimizer } from '../../native/network';
import { checkLimited } from '../../native/limited';

/** The optimiser of a training step (docs/MATHEMATICS.md, "Parameter updates"). */
export interface OptimizerOptions {
  /** The rule: SGD with momentum, Adam or AdamW. */
  kind: 'sgd' | 'adam' | 'adamw';
  /** The learning rate. */
  learningRate: number;
  /** The learning rate of thresholds and leaks; `learningRate` by default. */
  neuronLearningRate?: number | undefined;
  /** The momentum of SGD; 0.9 by default. */
  momentum?: number | undefined;
  /** Whether SGD looks ahead by its momentum (Nesterov); false by default. */
  nesterov?: boolean | undefined;
  /** The weight decay, which applies to weights only; 0 by default. */
  weightDecay?: number | undefined;
  /** The decay of Adam's first moment; 0.9 by default. */
  beta1?: number | undefined;
  /** The decay of Adam's second moment; 0.999 by default. */
  beta2?: number | undefined;
  /** The constant in Adam's denominator; 1e-8 by default. */
  epsilon?: number | undefined;
  /** Whether Adam divides by the running maximum of its second moment; false by default. */
  amsgrad?: boolean | undefined;
  /** The largest L2 norm of the whole gradient; 0 (the default) for no limit. */
  clipNorm?: number | undefined;
  /**
   * The decay of an exponential moving average of all parameters, from 0 to below 1, which is lower in the first steps;
   * 0 (the default) for no average. With `averaged` the network computes with it.
   */
  ema?: number | undefined;
}

const OPTIMIZER_KEYS = [
  'kind',
  'learningRate',
  'neuronLearningRate',
  'momentum',
  'nesterov',
  'weightDecay',
  'beta1',
  'beta2',
  'epsilon',
  'amsgrad',
  'clipNorm',
  'ema',
];

/** Errors: ERR_ARG if the parts of a rule do not belong together. */
export function checkRule(
  { kind, momentum, nesterov }: { kind: string; momentum: number; nesterov: boolean },
  name: string,
): void {
  if (nesterov && kind !== 'sgd') throw expected(`false (only 'sgd' has it, not '${kind}')`, `${name}.nesterov`, true);
  if (nesterov && momentum === 0) throw expected('false (there is no momentum)', `${name}.nesterov`, true);
}

/** Fills in the defaults. */
export function checkOptimizer(optimizer: unknown, name = 'optimizer'): NativeOptimizer {
  if (optimizer === undefined) throw expected('an object { kind, learningRate, ... }', name, optimizer);
  const given = checkOptions(optimizer, name, OPTIMIZER_KEYS);
  const number = (key: string, limit: LimitName, fallback?: number): number =>
    checkLimited(given[key] === undefined ? fallback : given[key], `${name}.${key}`, limit);
  const rate = (key: string, fallback?: number): number => number(key, 'rate', fallback);
  const decay = (key: string, fallback: number): number => number(key, 'decay', fallback);
  const learningRate = rate('learningRate');
  const rule = {
    kind: checkOneOf(given['kind'], `${name}.kind`, ['sgd', 'adam', 'adamw']),
    momentum: decay('momentum', 0.9),
    nesterov: given['nesterov'] === undefined ? false : checkBoolean(given['nesterov'], `${name}.nesterov`),
  };
  checkRule(rule, name);
  return {
    ...rule,
    learningRate,
    neuronLearningRate: rate('neuronLearningRate', learningRate),
    weightDecay: rate('weightDecay', 0),
    beta1: decay('beta1', 0.9),
    beta2: decay('beta2', 0.999),
    epsilon: rate('epsilon', 1e-8),
    amsgrad: given['amsgrad'] === undefined ? false : checkBoolean(given['amsgrad'], `${name}.amsgrad`),
    clipNorm: rate('clipNorm', 0),
    ema: number('ema', 'ema', 0),
  };
}
