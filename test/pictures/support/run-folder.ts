// A run folder as training leaves it after so many epochs, in milliseconds instead of seconds.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { resolveNetwork } from '../../../lib/model/description';
import { resolveConfig } from '../../../lib/train/config/config';
import type { RunInfo } from '../../../lib/train/run/run-folder';
import { tinyConfig } from '../../helpers/command-line';
import { metricsText } from './runs';

/** What run.json says of a run of `tinyConfig` that has not ended. */
export function runInfo(changes: Partial<RunInfo> = {}): RunInfo {
  const classes = ['disk', 'ring', 'square', 'frame', 'triangle', 'cross', 'stripes', 'checks', 'star', 'heart'];
  const network = { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25], input: [3, 32, 32] as const };
  return {
    format: 1,
    version: '0.1.0',
    created: '2026-01-02T03:04:05.000Z',
    config: resolveConfig(tinyConfig as never),
    seed: 1,
    backend: 'cpu',
    precision: 'fp32',
    network: resolveNetwork({ ...tinyConfig.model, ...network } as never),
    dataset: { name: 'shapes', classes, train: 180, validation: 20, test: 50, mean: network.mean, std: network.std },
    host: {
      name: 'host',
      platform: 'linux-x64',
      cpu: 'cpu',
      cores: 1,
      memoryBytes: 2 ** 30,
      node: 'v20',
      simd: 'AVX2',
    },
    ...changes,
  };
}

/** Writes run.json and metrics.jsonl. */
export function writeRun(path: string, metrics: readonly object[], changes: Partial<RunInfo> = {}): void {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'metrics.jsonl'), metricsText(metrics));
  writeFileSync(join(path, 'run.json'), JSON.stringify(runInfo(changes)));
}
