// Learning rates over a phase: a factor of the configured rate per step.

export interface Schedule {
  kind: 'constant' | 'step' | 'cosine' | 'triangular';
  /** Epochs (a fraction is fine) over which the rate rises linearly from 0 to full. */
  warmup: number;
  /** `step`: shares of the phase in (0, 1) after which the rate is multiplied by `factor`. */
  milestones: number[];
  factor: number;
  /** `cosine` and `triangular`: share of the rate that is left at the end. */
  final: number;
  /** `triangular`: share of the phase after which the rate is full. */
  peak: number;
}

/**
 * Factor of the learning rate at `step` (0-based, of the whole phase).
 *
 * Warm-up gives the first step a rate above zero and the last warm-up step the full one. The cosine starts after
 * warm-up and reaches `final` one step after the last. Step milestones count from the start of the phase. A triangle
 * rises like a warm-up until its peak, and falls linearly to `final` one step after the last; `warmup` is no part of
 * it.
 */
export function learningRateFactor(schedule: Schedule, step: number, stepsPerEpoch: number, epochs: number): number {
  const total = stepsPerEpoch * epochs;
  const rising = schedule.kind === 'triangular' ? schedule.peak * total : schedule.warmup * stepsPerEpoch;
  const warmup = Math.min(total, Math.round(rising));
  const rise = step < warmup ? (step + 1) / (warmup + 1) : 1;
  const fallen = (step - warmup) / Math.max(1, total - warmup);
  switch (schedule.kind) {
    case 'constant':
      return rise;
    case 'step':
      return rise * schedule.factor ** schedule.milestones.filter((share) => step >= share * total).length;
    case 'cosine':
      return step < warmup ? rise : schedule.final + (1 - schedule.final) * 0.5 * (1 + Math.cos(Math.PI * fallen));
    case 'triangular':
      return step < warmup ? rise : schedule.final + (1 - schedule.final) * (1 - fallen);
  }
}
