/**
 * Haze as a library: train a diffusion model, sample from it, and write the results.
 *
 * The command line uses the same parts, so both give the same bits. Functions throw the errors below
 * for failures they know about; messages name settings as programs do, e.g. `sample.steps`.
 */
export type {
  ComputingConfig,
  DataConfig,
  DeviceChoice,
  DiffusionConfig,
  Fit,
  HeldOut,
  ModelConfig,
  RunConfig,
  SamplingConfig,
  TeacherConfig,
  TrainingConfig,
} from './config/config.js';
export type { Format } from './config/generation.js';
export type { PictureShape } from './config/picture-shape.js';
export { PRESETS, type Preset, type PresetName } from './config/presets.js';
export type { BatchNormMode, Loss } from './contracts/device.js';
export type { GivenImage, GivenImages } from './data/given.js';
export type { CustomRow, CustomSampler, SamplerWay } from './diffusion/custom-sampler.js';
export type { LossMoment, LossWeighting } from './diffusion/loss-weights.js';
export { OBJECTIVES, type Objective } from './diffusion/objective.js';
export { SAMPLER_NAMES, type SamplerName } from './diffusion/samplers.js';
export type { Schedule, ScheduleOptions, ScheduleTables } from './diffusion/schedule.js';
export {
  CheckError,
  EngineError,
  Interrupted,
  RunError,
  ShapeError,
  UsageError,
} from './errors.js';
export type { FeatureDescription } from './evaluate/feature-network.js';
export type { KernelDistance } from './evaluate/kernel-distance.js';
export type { Likelihood } from './evaluate/likelihood.js';
export type { NearestOf, Neighbour } from './evaluate/nearest.js';
export type { EvaluateEvent, Evaluation, SetSummary } from './evaluate/options.js';
export type { PrecisionRecall } from './evaluate/precision-recall.js';
export type { SlicedWasserstein } from './evaluate/sliced-wasserstein.js';
export type { GenerateEvent, GenerateProgress, GenerateResult } from './generate/options.js';
export { film, grid, type Images, type Layout, type Picture, strip } from './io/grid.js';
export type { NoteFacts } from './io/notes.js';
export { encodePng, type Timing, writeAnimation, writePicture } from './io/pictures.js';
export { readTensors } from './io/read-tensors.js';
export { readSafetensors, type Safetensors, writeSafetensors } from './io/safetensors.js';
export { type AutoencoderSettings, trainAutoencoder } from './library/autoencoder.js';
export {
  type DrawStep,
  type DrawWithSettings,
  drawWith,
  type Network,
} from './library/draw-with.js';
export { type EvaluateSettings, evaluate } from './library/evaluate.js';
export { type GenerateSettings, generate } from './library/generate.js';
export {
  type LoadSettings,
  load,
  type Model,
  type ModelSampleSettings,
  type ModelStepsSettings,
} from './library/model.js';
export type { RedrawSettings } from './library/redraw.js';
export {
  type RunOptions,
  type RunSettings,
  resumeConfig,
  runConfig,
} from './library/run-config.js';
export { type SampleSettings, type Samples, sample } from './library/sample.js';
export { makeSchedule } from './library/schedule.js';
export { train, trainSteps } from './library/train.js';
export type { NetworkConfig } from './network/network.js';
export type { F32Tensor, I64Tensor, StateDict, Tensor } from './network/state.js';
export { toImages } from './sample/images.js';
export type { Frame, SampleEvent, SampleResult } from './sample/options.js';
export type { AutoencoderEvent, AutoencoderResult } from './train/autoencoder/options.js';
export type { TrainEvent, TrainOptions, TrainResult } from './train/options.js';
export type { TrainStep } from './train/steps.js';
