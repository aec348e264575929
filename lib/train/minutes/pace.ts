// Keeps a run to its time. Other programs and the activity of the trained network change the rates that the plan was
// made by, so after every epoch the numbers of epochs to come are chosen again if the run would end too early or too
// late.
import type { TrainConfig } from '../config/config';
import { PHASES, type Phase, type PlanEvent } from '../run/events';
import type { PlannedRun } from './plan';
import { fitEpochs, trainingSeconds, type PerPhase, type Times } from './times';

/** The share of the whole time by which the end may be off before epochs are chosen again. */
const TOLERANCE = 0.04;
/**
 * The share of a phase's epochs after which none is added to it: the learning rate has come down by then, and would
 * rise again. VGG-16 on CIFAR-10 had 91.9 % on validation images after the last of 26 epochs and 90.3 % after the
 * next one, when they had become 30. Time that is gained goes to the phases that follow.
 */
const ANNEALED = 0.8;

export class Pace {
  private readonly plan: PlannedRun['plan'];
  private times: Times;

  constructor({ plan, times }: PlannedRun) {
    this.plan = plan;
    this.times = times;
  }

  /**
   * Takes note of an epoch, the `done`th of its phase, that took `seconds`, when the run has taken `elapsed`. Returns
   * what is new, or null if the run goes on as it was.
   */
  afterEpoch(
    config: TrainConfig,
    phase: Phase,
    { done, seconds, elapsed }: { done: number; seconds: number; elapsed: number },
  ): PlanEvent | null {
    this.times = slowedDown(this.times, phase, seconds / this.times.epoch[phase]);
    const { epoch, shares, rest } = this.times;
    const planned: PerPhase = { ann: config.ann.epochs, binary: config.binary.epochs, snn: config.snn.epochs };
    const limit = 60 * this.plan.minutes;
    const over = overUntil(planned, phase, done);
    const endWith = (epochs: PerPhase): number =>
      elapsed + trainingSeconds(epoch, epochs) - trainingSeconds(epoch, over) + rest;
    if (Math.abs(endWith(planned) - limit) <= TOLERANCE * limit) return null;
    const whole = trainingSeconds(epoch, over) + limit - elapsed - rest;
    let epochs = fitEpochs(whole, { epoch, shares }, over, phase);
    if (epochs[phase] > planned[phase] && done >= ANNEALED * planned[phase]) {
      const next = PHASES[PHASES.indexOf(phase) + 1];
      const kept = { ...over, [phase]: planned[phase] };
      epochs = next === undefined ? kept : fitEpochs(whole, { epoch, shares }, kept, next);
    }
    if (PHASES.every((name) => epochs[name] === planned[name])) return null;
    return {
      event: 'plan',
      ...this.plan,
      epochs,
      seconds: endWith(epochs),
    };
  }
}

function overUntil(planned: PerPhase, phase: Phase, done: number): PerPhase {
  const now = PHASES.indexOf(phase);
  const over = (name: Phase, i: number): number => (i < now ? planned[name] : i === now ? done : 0);
  return Object.fromEntries(PHASES.map((name, i) => [name, over(name, i)])) as PerPhase;
}

/** The times of a phase and of what follows, if the phase takes `factor` times as long as it was reckoned to. */
function slowedDown({ epoch, rest, shares }: Times, phase: Phase, factor: number): Times {
  const now = PHASES.indexOf(phase);
  const slower = PHASES.map((name, i) => [name, i < now ? epoch[name] : factor * epoch[name]]);
  return { shares, epoch: Object.fromEntries(slower) as PerPhase, rest: factor * rest };
}
