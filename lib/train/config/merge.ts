// Merging and addressing plain JSON objects.
import { expected, isPlainObject } from '../../check';
import { OneSpikeError } from '../../errors';

export type PlainObject = { [key: string]: unknown };

/** `over` on top of `under`: objects merge key by key, everything else (lists too) is replaced. Neither is changed. */
export function mergeConfig(under: PlainObject, over: PlainObject): PlainObject {
  const merged: PlainObject = { ...under };
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue;
    const below = merged[key];
    merged[key] = isPlainObject(value) ? mergeConfig(isPlainObject(below) ? below : {}, value) : value;
  }
  return merged;
}

/** Keys that would reach into JavaScript's own objects instead of the configuration. */
const forbidden = new Set(['__proto__', 'prototype', 'constructor']);

/**
 * `path.to.key=value` as an edit of `config` (a copy is returned). The value is JSON where it parses as JSON, else a
 * string; numbers in the path index lists. Errors: ERR_ARG.
 */
export function applyOverride(config: PlainObject, assignment: string): PlainObject {
  if (typeof assignment !== 'string') throw expected('path.to.key=value', 'an override', assignment);
  const equals = assignment.indexOf('=');
  const path = assignment.slice(0, equals).split('.');
  if (equals < 1 || path.some((part) => part === '' || forbidden.has(part))) {
    throw new OneSpikeError('ERR_ARG', `Expected path.to.key=value for --set but received '${assignment}'`);
  }
  const text = assignment.slice(equals + 1);
  let value: unknown = text;
  try {
    value = JSON.parse(text);
  } catch {
    // Not JSON: the text itself, so that names need no quotes within quotes.
  }
  const copy = structuredClone(config);
  let place: PlainObject | unknown[] = copy;
  path.slice(0, -1).forEach((part, depth) => {
    const held: unknown = (place as PlainObject)[part];
    if (held === undefined) (place as PlainObject)[part] = {};
    else if (typeof held !== 'object' || held === null) {
      throw new OneSpikeError(
        'ERR_ARG',
        `Expected an object at "${path.slice(0, depth + 1).join('.')}" for --set ${path.join('.')} but received ${JSON.stringify(held)}`,
      );
    }
    place = (place as PlainObject)[part] as PlainObject | unknown[];
  });
  (place as PlainObject)[path[path.length - 1]!] = value;
  return copy;
}
