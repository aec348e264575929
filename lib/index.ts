/** The public surface of onespike. Everything else may change without notice. */
export {
  Network,
  type Augment,
  type Batch,
  type CalibrateOptions,
  type ForwardOptions,
  type ForwardResult,
  type GradientsResult,
  type Labels,
  type Mode,
  type NetworkOptions,
  type OptimizerOptions,
  type OptimizerState,
  type Recorded,
  type StepStats,
  type TrainStep,
  type TrainStepOptions,
  type TrainStepsOptions,
} from './model/network';
export type { FloatTensor } from './model/parameters';
export type { SpikeTimes } from './model/spike-times';
export { backendInfo, type BackendInfo, type DeviceInfo } from './native/devices';
export { createDataset, type NativeDataset } from './native/dataset';
export { vgg, type VggOptions } from './model/vgg';
export {
  resolveNetwork,
  type Encoder,
  type LayerDescription,
  type NetworkDescription,
  type ResolvedNetwork,
  type Surrogate,
} from './model/description';
export {
  datasets,
  splitValidation,
  loadImage,
  type DatasetInfo,
  type DatasetName,
  type DataWarning,
  type ImageSet,
  type ImageShape,
  type LoadedDataset,
  type LoadOptions,
} from './data';
export { resume, train, type ResumeOptions, type TrainOptions } from './train/loop/train';
export { resolveConfig, type TrainConfig, type TrainConfigInput } from './train/config/config';
export { presetConfig, presetNames } from './train/config/presets';
export { loadRun, type Run } from './train/run/load-run';
export type {
  ConvertedEvent,
  DoneEvent,
  EnergySummary,
  EpochEvent,
  LayerActivity,
  Phase,
  ProgressEvent,
  SavedEvent,
  StartEvent,
  TrainEvent,
  WarningEvent,
} from './train/run/events';
export {
  countOperations,
  energyAccount,
  formatEnergyTable,
  OperationCounter,
  type EnergyAccount,
  type EnergyReport,
  type OperationCounts,
} from './energy';
export { readSafetensors, writeSafetensors, type Safetensors, type Tensor } from './io/safetensors';
export { OneSpikeError, isOneSpikeError, type ErrorCode } from './errors';
