// The numbers that have a limit (limits.ts): their schemas, and the check of one alone.
import { expected } from '../check';
import { integerOf, numberOf } from '../check/schema';
import { LIMITS, numberText, within, type LimitName } from './limits';

/** A number within its limit. */
export function limitedNumber(name: LimitName) {
  const { min: minimum, max: maximum } = LIMITS[name];
  return numberOf(numberText(name), (value) => within(name, value), { minimum, maximum });
}

/** An integer within its limit, or from `min` on. */
export function limitedInteger(name: LimitName, min: number = LIMITS[name].min) {
  return integerOf(min, LIMITS[name].max);
}

/** A number within its limit, called `name` in messages. Errors: ERR_ARG. */
export function checkLimited(value: unknown, name: string, limit: LimitName): number {
  if (typeof value !== 'number' || !within(limit, value)) throw expected(numberText(limit), name, value);
  return value;
}
