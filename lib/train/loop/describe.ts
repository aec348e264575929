/** A run in words: what run.json records of it, and the event that it starts with. */
import { cpus, hostname, totalmem } from 'node:os';
import type { LoadedDataset } from '../../data';
import { layerShapes } from '../../model/description';
import type { Network } from '../../model/network';
import { hostInfo } from '../../native/devices';
import type { TrainConfig } from '../config/config';
import type { StartEvent } from '../run/events';
import type { RunInfo } from '../run/run-folder';
import type { RunImages } from './images';
import type { Session } from './session';

export function describeRun(
  config: TrainConfig,
  loaded: LoadedDataset,
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
      mean: network.description.mean,
      std: network.description.std,
    },
    host: describeHost(),
  };
}

function describeHost(): RunInfo['host'] {
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

export function startEvent(session: Session, resumed: StartEvent['resumed']): StartEvent {
  const { network, config, folder, images, info } = session;
  const { train, validation, test } = images.rows;
  return {
    event: 'start',
    run: folder.path,
    version: info.version,
    backend: network.backend,
    device: network.processor,
    precision: network.precision,
    threads: network.threads,
    model: network.description.name,
    dataset: config.dataset.name,
    seed: config.seed,
    parameters: layerShapes(network.description).reduce((sum, layer) => sum + layer.parameters, 0),
    timesteps: network.description.timesteps,
    images: { train: train.length, validation: validation.length, test: test.length },
    resumed,
  };
}
