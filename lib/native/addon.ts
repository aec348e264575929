// Loads the addon on first use, and gives its functions the errors of the rest of the library (OneSpikeError).
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { loadNative, packageRoot, type NativeModule } from '../../binding';
import { OneSpikeError, toOneSpikeError } from '../errors';

let loaded: NativeModule | undefined;

/** The addon, loaded on first use. Errors: ERR_NO_BACKEND with target, paths tried, cause and cure. */
export function native(): NativeModule {
  if (loaded !== undefined) return loaded;
  try {
    loaded = loadNative();
    return loaded;
  } catch (error) {
    throw loadFailure(packageRoot(), error);
  }
}

/** Why the addon did not load: target, paths tried, cause, what to do. */
export function loadFailure(root: string, cause: unknown): OneSpikeError {
  const platform = `${process.platform}-${process.arch}`;
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  const libc =
    process.platform !== 'linux'
      ? ''
      : report.header?.glibcVersionRuntime
        ? ` glibc ${report.header.glibcVersionRuntime}`
        : ' musl';
  const built = join(root, 'build', 'Release');
  const prebuilt = join(root, 'prebuilds', platform);
  const content = (folder: string): string =>
    existsSync(folder) ? readdirSync(folder).join(', ') || 'empty' : 'no such folder';
  const fix = existsSync(join(root, 'CMakeLists.txt'))
    ? 'npm run build:native'
    : 'reinstall the package; if it has no binary for this platform, build it from a checkout of its repository with npm run build:native';
  const lines = [
    `Cannot load the native addon of onespike for ${platform}${libc}, Node ${process.versions.node}.`,
    `Tried: ${built} (${content(built)})`,
    `       ${prebuilt} (${content(prebuilt)})`,
    `Cause: ${cause instanceof Error ? cause.message : String(cause)}`,
    `Fix:   ${fix}`,
  ];
  return new OneSpikeError('ERR_NO_BACKEND', lines.join('\n'), { cause });
}

/** Calls a native function that answers at once. */
export function call<T>(action: (module: NativeModule) => T): T {
  const module = native();
  try {
    return action(module);
  } catch (error) {
    throw toOneSpikeError(error);
  }
}

/** Live handles of this thread, for tests of the memory that they hold. */
export function liveHandles(): { networks: number; datasets: number } {
  const { liveNetworks, liveDatasets } = call((module) => module.info());
  return { networks: liveNetworks, datasets: liveDatasets };
}
