// Calls functions of ES modules (scripts/, bench/), which jest cannot load, in a process of their own.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(__dirname, '..', '..');

/**
 * The result of `body`, the inside of an async function, with what `imports` of `file` (from the repository's root) and
 * `input` in scope.
 */
export function inModule<T>(file: string, imports: readonly string[], body: string, input: unknown = null): T {
  const program = `
    import { ${imports.join(', ')} } from ${JSON.stringify(join(root, file))};
    const input = ${JSON.stringify(input)};
    const result = await (async () => { ${body} })();
    process.stdout.write(JSON.stringify(result ?? null));`;
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 1 << 26,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  ) as T;
}
