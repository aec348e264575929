// Schemas of the numbers that have a limit (lib/native/limits.ts).
import { integerOf, numberOf } from '../check/schema';
import { LIMITS, numberText, within, type LimitName } from '../native/limits';

/** A number within its limit. */
export function limitedNumber(name: LimitName) {
  return numberOf(numberText(name), (value) => within(name, value));
}

/** An integer within its limit, or from `min` on. */
export function limitedInteger(name: LimitName, min: number = LIMITS[name].min) {
  return integerOf(min, LIMITS[name].max);
}
