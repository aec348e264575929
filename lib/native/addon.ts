// Loads the addon on first use, and gives its functions the errors of the rest of the library (OneSpikeError).
import { loadNative, packageRoot, type NativeModule } from '../../binding';
import { toOneSpikeError } from '../errors';
import { loadFailure } from './load-failure';

let loaded: NativeModule | undefined;

/** The addon, loaded on first use. Errors: ERR_NO_BACKEND, see `loadFailure`. */
export function native(): NativeModule {
  if (loaded !== undefined) return loaded;
  const root = packageRoot();
  try {
    loaded = loadNative(root);
    return loaded;
  } catch (error) {
    throw loadFailure(root, error);
  }
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
