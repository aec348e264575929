// What a backend promises is asked of every backend: the suites that take one run once per backend and precision.
import { backendInfo, type BackendName } from '../../lib/native/devices';
import type { Precision } from '../../lib/model/network';

export type On = { backend: BackendName; precision: Precision };

/**
 * Defines the tests of `suite` for the CPU, and for CUDA in both precisions where a GPU works; elsewhere it prints why
 * they are skipped. On the CPU `mixed` differs from `fp32` in dense products alone, so only a suite that asks for it
 * has it.
 */
export function onEachBackend(suite: (on: On) => void, cpu: readonly Precision[] = ['fp32']): void {
  for (const precision of cpu) describe(`backend cpu, ${precision}`, () => suite({ backend: 'cpu', precision }));
  const { backend, cudaReason } = backendInfo();
  if (backend !== 'cuda') console.log(`skipped on CUDA, in both precisions: ${cudaReason}`);
  for (const precision of ['fp32', 'mixed'] as const) {
    describe(`backend cuda, ${precision}`, () => {
      if (backend === 'cuda') suite({ backend, precision });
      else test.skip(`skipped: ${cudaReason}`, () => undefined);
    });
  }
}
