// The native addon: where it is loaded from. Nothing else lives here, and nobody but lib/native/ imports it.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { NativeModule } from './binding-types';

export type * from './binding-types';

/**
 * The folder of this package: this one when run from source, one up when run from dist/. Undefined where the code was
 * copied out of its package into a bundle; bundlers that write ES modules leave no `__dirname` either.
 */
export function packageRoot(): string | undefined {
  if (typeof __dirname === 'undefined') return undefined;
  for (let folder = __dirname; ; folder = dirname(folder)) {
    if (isPackage(folder)) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

function isPackage(folder: string): boolean {
  try {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: string }).name === 'onespike';
  } catch {
    return false;
  }
}

/**
 * The machine that a binary is for: this one, or the one that variables name as for node-gyp-build, which others load
 * their addons with.
 */
export function target(): { platform: string; arch: string; libc: string } {
  const { npm_config_platform: platform, npm_config_arch: arch, LIBC: libc } = process.env;
  return { platform: platform || process.platform, arch: arch || process.arch, libc: libc || 'glibc' };
}

/** Where the addon may be below `root`: built there, or as the package brings it. */
export function addonPlaces(root: string): [built: string, prebuilt: string] {
  const { platform, arch, libc } = target();
  return [
    join(root, 'build', 'Release', 'onespike.node'),
    join(root, 'prebuilds', `${platform}-${arch}`, `onespike.${libc}.node`),
  ];
}

/**
 * The file that `loadNative` loads: the addon of a build, else that of the package for this machine. Throws an Error if
 * there is neither.
 */
export function nativePath(root: string | undefined = packageRoot()): string {
  if (root === undefined) throw new Error('no package.json of onespike lies above the running code');
  const places = addonPlaces(root);
  const found = places.find((place) => existsSync(place));
  if (found === undefined) throw new Error(`neither ${places.join(' nor ')} exists`);
  return found;
}

/** Loads the addon. Throws what Node.js throws. */
export function loadNative(root: string | undefined = packageRoot()): NativeModule {
  const path = nativePath(root);
  // No plain `require`, which bundlers would take for a file that they have to find.
  return createRequire(path)(path) as NativeModule;
}
