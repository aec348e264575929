// Axes: where their marks are, and numbers as people read them.

/** A step of 1, 2 or 5 times a power of ten that divides `span` into about `count` parts. */
function niceStep(span: number, count: number): number {
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const share = rough / power;
  return power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
}

export interface Scale {
  /** Position of a value, in pixels. */
  at(value: number): number;
  ticks: number[];
}

/** A linear axis over [low, high], widened to whole steps where `nice`. */
export function linearScale(
  [low, high]: readonly [number, number],
  [from, to]: readonly [number, number],
  { count = 5, nice = true } = {},
): Scale {
  const span = high > low ? high - low : Math.abs(high) || 1;
  const step = niceStep(span, count);
  const first = nice ? Math.floor(low / step + 1e-9) * step : low;
  const last = nice ? Math.max(Math.ceil((low + span) / step - 1e-9) * step, first + step) : low + span;
  const ticks: number[] = [];
  for (let i = Math.ceil(first / step - 1e-9); i * step <= last + step * 1e-9; i++)
    ticks.push(Number((i * step).toPrecision(12)));
  return { at: (value) => from + ((value - first) / (last - first)) * (to - from), ticks };
}

/**
 * A logarithmic axis over positive values, with marks at powers of ten or, over few of them, at 1, 2 and 5 times these.
 */
export function logScale([low, high]: readonly [number, number], [from, to]: readonly [number, number]): Scale {
  const first = Math.floor(Math.log10(low) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(high) - 1e-9));
  const every = Math.ceil((last - first) / 6);
  const ticks: number[] = [];
  for (let power = first; power <= last; power += every)
    for (const factor of last - first <= 2 ? [1, 2, 5] : [1])
      if (power < last || factor === 1) ticks.push(Number(`${factor}e${power}`));
  return { at: (value) => from + ((Math.log10(value) - first) / (last - first)) * (to - from), ticks };
}

/** Up to four significant digits: 0.0312, 12.5, 3,200, 1.2e-5. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e9) return String(Number(value.toPrecision(3)).toExponential()).replace('e+', 'e');
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(4)));
}

export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)} %`;
}

/** 12.4 uJ for 12.4e6 pJ. */
export function joules(picojoules: number): string {
  const units = ['pJ', 'nJ', 'µJ', 'mJ', 'J'];
  const unit = picojoules > 0 ? Math.min(4, Math.max(0, Math.floor(Math.log10(picojoules) / 3))) : 0;
  return `${Number((picojoules / 1000 ** unit).toPrecision(3))} ${units[unit]}`;
}
