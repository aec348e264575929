// The options of a small bench: --help prints the usage, and a wrong option ends with status 2 and one line.
import { parseArgs } from 'node:util';
import { messageOf } from '../scripts/lib.mjs';

/**
 * `defaults`: name -> default of a text option; undefined = none. `--json` comes with all.
 *
 * @template {Record<string, string | undefined>} Defaults
 * @param {string} usage
 * @param {Defaults} defaults
 * @returns {Defaults & { json: boolean }}
 */
export function readArguments(usage, defaults) {
  /** @type {import('node:util').ParseArgsConfig['options']} */
  const options = { json: { type: 'boolean', default: false }, help: { type: 'boolean' } };
  for (const [name, value] of Object.entries(defaults))
    options[name] = value === undefined ? { type: 'string' } : { type: 'string', default: value };
  try {
    const { values } = parseArgs({ options });
    if (!values.help) return /** @type {Defaults & { json: boolean }} */ (values);
    console.log(usage);
    process.exit(0);
  } catch (error) {
    console.error(`${messageOf(error)}. --help lists the options`);
    process.exit(2);
  }
}
