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
  type StepStats,
  type TrainStep,
  type TrainStepOptions,
  type TrainStepsOptions,
} from './model/network';
export type { FloatTensor } from './model/model-file';
export type { SpikeTimes } from './model/spike-times';
export { backendInfo, createDataset, type BackendInfo, type DeviceDataset, type DeviceInfo } from './backend';
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
  type DatasetName,
  type ImageSet,
  type ImageShape,
  type LoadedDataset,
  type LoadOptions,
} from './data';
export { resume, train, type ResumeOptions, type TrainOptions } from './train/train';
export { resolveConfig, type TrainConfig, type TrainConfigInput } from './train/config';
export { presetConfig, presetNames } from './train/presets';
export { loadRun, type Run } from './train/load-run';
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
} from './train/events';
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
