// The public surface of onespike. Everything else may change without notice.

// ---- networks: what describes one, what it takes and what it gives
export {
  Network,
  type ActivityTarget,
  type Augment,
  type AugmentOptions,
  type Batch,
  type BatchShards,
  type CalibrateOptions,
  type CommunicatorHandle,
  type Counters,
  type DistillationOptions,
  type EvaluateInPiecesOptions,
  type EvaluateOptions,
  type ForwardOptions,
  type ForwardResult,
  type ForwardStats,
  type GivenTensors,
  type GradientsOptions,
  type GradientsResult,
  type JobOptions,
  type JobProgress,
  type Labels,
  type LossOptions,
  type Mode,
  type NetworkOptions,
  type OptimizerOptions,
  type OptimizerState,
  type ParametersOptions,
  type PieceStats,
  type Precision,
  type ProfileEntry,
  type ReadParametersOptions,
  type Recorded,
  type RescaleOptions,
  type SimulatedCode,
  type SimulateOptions,
  type SimulationProgress,
  type SimulationResult,
  type StepStats,
  type TrainStep,
  type TrainStepOptions,
  type TrainStepsOptions,
} from './model/network';
export type { Anytime } from './model/anytime';
export type { LayerId, LayerName, SpikingLayer } from './model/layer';
export type { FloatTensor } from './model/parameters';
export type { SpikeTimes } from './model/spike-times';
export { spikingFromBinary } from './model/binary';
export type { Code, PhaseCode, RadixCode, TtfsCode } from './model/code/code';
export { encodeGenes, type EncodedNetwork, type EncodeGenesOptions } from './model/genes/encode';
export type { FitGenesOptions, GeneFit } from './model/genes/fit';
export { geneCompression, type Compression, type Genes } from './model/genes/genes';
export { foldAll, foldNorm, foldPools, type NetworkParameters } from './model/fold';
export { vgg, type VggName, type VggOptions } from './model/vgg';
export {
  resolveNetwork,
  type CodedNetworkDescription,
  type Encoder,
  type NeuronKey,
  type Norm,
  type LayerDescription,
  type LayerType,
  type NetworkDescription,
  type ResolvedLayer,
  type ResolvedNetwork,
  type Surrogate,
} from './model/description';

// ---- processors, and images in native memory
export {
  backendInfo,
  type BackendChoice,
  type BackendInfo,
  type BackendName,
  type DeviceInfo,
} from './native/devices';
export { createDataset, type NativeDataset } from './native/dataset';

// ---- data sets and pictures
export {
  datasets,
  splitValidation,
  loadImage,
  type DatasetInfo,
  type DatasetName,
  type SourceName,
  type DataWarning,
  type DownloadProgress,
  type DownloadRetry,
  type FetchedFile,
  type FetchOptions,
  type FetchProgress,
  type FetchResult,
  type ImagePiece,
  type ImageSet,
  type ImageShape,
  type ImageStream,
  type LoadedDataset,
  type LoadedParts,
  type LabelList,
  type LoadOptions,
  type MixedSizes,
  type PixelBytes,
  type ProgramDataset,
  type ProgramImages,
  type ProgramPart,
  type StreamedImages,
} from './data';

// ---- training, its configuration, its events and its results
export { resume, train, type ResumeOptions, type TrainOptions } from './train/loop/train';
export type { Ranks } from './train/loop/ranks';
export type { TrainInput } from './train/config/given';
export { resolveConfig, type DeepPartial, type TrainConfig, type TrainConfigInput } from './train/config/config';
export { presetConfig, presetNames } from './train/config/presets';
export { BUDGETS, type Budget } from './train/config/recipes';
export type { TimePlan } from './train/minutes/plan';
export { loadRun, type Run } from './train/run/load-run';
export type { ConfigChange } from './train/run/changes';
export type { DataRecord, ImageHashes } from './train/run/data-record';
export type { HostInfo, RunInfo } from './train/run/run-folder';
export type {
  ConvertedEvent,
  DoneEvent,
  EnergySummary,
  EpochEvent,
  GradientExchange,
  LayerActivity,
  LayerWarning,
  Phase,
  PlanEvent,
  ProgressEvent,
  RunWarning,
  SavedEvent,
  StartEvent,
  TrainEvent,
  WarningEvent,
} from './train/run/events';

// ---- networks of other programs, and for them
export {
  exportC,
  exportNir,
  exportOnnx,
  importModel,
  type ExportCOptions,
  type ExportedNir,
  type ExportNirOptions,
  type ExportOnnxOptions,
  type Footprint,
  type ImportedModel,
  type ImportedTensor,
  type ImportOptions,
  type WeightType,
} from './exchange';
// ---- a network beside all other codes
export { compare, type CodeEvent, type ComparedEvent, type CompareEvent } from './codes/compare';
export type { CompareOptions } from './codes/compare-options';
export type { ComparedConfig } from './codes/networks';
export type { CodeResult } from './codes/result';
export type { CompareProgress } from './codes/rows';
export type { CodeTimesteps } from './codes/settings';

// ---- trained networks under names, and a network that answers over HTTP
export {
  models,
  type FetchedModel,
  type FetchModelOptions,
  type ListedModel,
  type ModelCard,
} from './zoo';
export { serve, type RunningServer, type ServedRequest, type ServeOptions, type ServerTotals } from './serve';

// ---- studies: many trials, over processes and hosts
export {
  sweep,
  type BeginEvent,
  type SweepEvent,
  type SweepEvents,
  type SweepOptions,
  type SweptEvent,
  type TrialEvent,
} from './cluster/sweep';
export { METHODS, parseStudy, type Halving, type Method, type Range, type Study } from './cluster/study';
export type { RankedCandidate, Spread, TrialResult } from './cluster/ranking';
export type { Trial } from './cluster/trials';
export { evolve, type EvolveOptions } from './cluster/evolve/evolve';
export type { EvolutionSettings } from './cluster/evolve/settings';
export type { FitnessWeights, Traits } from './cluster/evolve/fitness';
export type {
  EvolvedEvent,
  EvolveEvent,
  EvolveEvents,
  GenerationEvent,
  Individual,
  Outcome,
} from './cluster/evolve/records';

// ---- operations and energy
export {
  countOperations,
  energyAccount,
  formatEnergyTable,
  OperationCounter,
  type ArithmeticConstants,
  type EnergyAccount,
  type EnergyOptions,
  type EnergyPair,
  type EnergyReport,
  type LayerOperations,
  type MemoryConstants,
  type MemoryLevel,
  type MemoryTraffic,
  type NumberFormat,
  type OperationCounts,
  type SpikeTimeMaps,
} from './energy';

// ---- files and errors
export {
  readSafetensors,
  toFloat32,
  writeSafetensors,
  type Safetensors,
  type Tensor,
  type TensorData,
  type TensorType,
} from './io/safetensors';
export { OneSpikeError, isOneSpikeError, type ErrorCode } from './errors';
