// What a backend promises is asked of every backend: the suites that take one run once per backend.
import { backendInfo, type BackendName } from '../../lib/native/devices';

/** In 32 bits, in which all backends agree with the reference. */
export type On = { backend: BackendName; precision: 'fp32' };

/** Defines the tests of `suite` for the CPU, and for CUDA where a GPU works; elsewhere it prints why they are skipped. */
export function onEachBackend(suite: (on: On) => void): void {
  describe('backend cpu', () => suite({ backend: 'cpu', precision: 'fp32' }));
  const { backend, cudaReason } = backendInfo();
  describe('backend cuda', () => {
    if (backend === 'cuda') return suite({ backend: 'cuda', precision: 'fp32' });
    console.log(`skipped on CUDA: ${cudaReason}`);
    test.skip(`skipped: ${cudaReason}`, () => undefined);
  });
}
