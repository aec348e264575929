// A run in words: what run.json records of it, and the event that it starts with.
import { cpus, hostname, totalmem } from 'node:os';
import type { LoadedDataset } from '../../data';
import { stepsToDecision } from '../../model/code/steps';
import { parameterCount } from '../../model/shapes';
import type { Network } from '../../model/network';
import { hostInfo } from '../../native/devices';
import type { TrainConfig } from '../config/config';
import type { RunWarning, StartEvent } from '../run/events';
import type { ImageHashes } from '../run/data-record';
import type { HostInfo, RunInfo } from '../run/run-folder';
import type { RunImages } from '../rows/images';
import type { Session } from './session';

export function describeRun(
  config: TrainConfig,
  loaded: LoadedDataset,
  hash: ImageHashes,
  network: Network,
  { rows }: RunImages,
): RunInfo {
  return {
    format: 1,
    version: hostInfo().version,
    created: new Date().toISOString(),
    config,
    seed: config.seed,
    backend: network.backend,
    precision: network.precision,
    network: network.description,
    dataset: {
      name: loaded.name,
      classes: loaded.train.classes,
      train: rows.train.length,
      validation: rows.validation.length,
      test: rows.test.length,
      hash,
      mean: network.description.mean,
      std: network.description.std,
    },
    host: describeHost(),
  };
}

function describeHost(): HostInfo {
  return {
    name: hostname(),
    platform: `${process.platform}-${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    node: process.version,
    simd: hostInfo().simdTarget,
  };
}

/** What a run that starts from another network should know of its validation images. */
export function initWarnings({ init }: TrainConfig, { rows }: RunImages): RunWarning[] {
  if (init === undefined || rows.validation.length === 0) return [];
  const message =
    'the network of init may have been trained on images that this run validates on: validation accuracy is then too high, ' +
    'and the best epoch is chosen by it; the test accuracy is not affected';
  return [{ event: 'warning', code: 'INIT_SEEN_IMAGES', message }];
}

/** The record of a run that continues on this machine, with warnings where that changes its results. */
export function resumedHere(info: RunInfo, { backend, precision }: Network): { info: RunInfo; warnings: RunWarning[] } {
  const host = describeHost();
  const warn = (code: RunWarning['code'], what: string): RunWarning => ({
    event: 'warning',
    code,
    message: `${what}: results may no longer be bit-identical to those of a run that never stopped`,
  });
  // Sums of the CPU kernels are as wide as its vectors, and not every processor multiplies and adds in one rounding.
  // What a name has after its first word, "AVX3 with AMX", multiplies bf16.
  const used = ({ simd }: HostInfo): string => (precision === 'mixed' ? simd : simd.split(' ')[0]!);
  const moved =
    used(host) === used(info.host) ? undefined : { host, earlierHosts: [...(info.earlierHosts ?? []), info.host] };
  if (backend !== info.backend) {
    const earlierBackends = [...(info.earlierBackends ?? []), info.backend];
    return {
      info: { ...info, ...moved, backend, earlierBackends },
      warnings: [warn('OTHER_BACKEND', `the run comes from backend ${info.backend} and continues on ${backend}`)],
    };
  }
  if (backend !== 'cpu' || moved === undefined) return { info, warnings: [] };
  return {
    info: { ...info, ...moved },
    warnings: [
      warn(
        'OTHER_INSTRUCTION_SET',
        `the run comes from a processor with ${info.host.simd} and continues on one with ${host.simd}`,
      ),
    ],
  };
}

export function startEvent(session: Session, resumed: StartEvent['resumed']): StartEvent {
  const { network, config, folder, images, info } = session;
  const { train, validation, test } = images.rows;
  return {
    event: 'start',
    run: folder.path,
    version: info.version,
    backend: network.backend,
    processor: network.processor,
    device: network.processor,
    precision: network.precision,
    threads: network.threads,
    ranks: session.together.ranks?.size ?? 1,
    exchange: session.together.exchange,
    shards: config.shards,
    instructionSet: hostInfo().simdTarget,
    model: network.description.name,
    dataset: info.dataset.name,
    seed: config.seed,
    parameters: parameterCount(network.description),
    timesteps: stepsToDecision(network.description),
    images: { train: train.length, validation: validation.length, test: test.length },
    resumed,
  };
}
