// The options of a small bench: --help prints the usage, and a wrong option ends with status 2 and one line.
import { parseArgs } from 'node:util';

/** `defaults`: name -> default of a text option; undefined = none. `--json` comes with all. */
export function readArguments(usage, defaults) {
  const texts = Object.entries(defaults).map(([name, value]) => [
    name,
    value === undefined ? { type: 'string' } : { type: 'string', default: value },
  ]);
  try {
    const { values } = parseArgs({
      options: { ...Object.fromEntries(texts), json: { type: 'boolean', default: false }, help: { type: 'boolean' } },
    });
    if (!values.help) return values;
    console.log(usage);
    process.exit(0);
  } catch (error) {
    console.error(`${error.message}. --help lists the options`);
    process.exit(2);
  }
}
