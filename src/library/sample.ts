/** Images from a model on disk, for programs: what `haze sample` does, with arrays instead of pictures. */
import {
  COMPUTING_DEFAULTS,
  checkComputing,
  readComputing,
  readSeed,
} from '../config/computing.js';
import type {
  ComputingConfig,
  DiffusionConfig,
  ModelConfig,
  SamplingConfig,
} from '../config/config.js';
import { JsonObject } from '../config/json.js';
import { openModel } from '../config/open-model.js';
import { readSampling } from '../config/sampling.js';
import type { SampleEvent, SampleOptions, SampleResult } from '../sample/options.js';
import { sample as sampleWeights } from '../sample/sample.js';

/** How to sample. The settings are the flags of `haze sample`; what is left out has the flag's default. */
export interface SampleSettings
  extends Partial<SamplingConfig>,
    Partial<Omit<DiffusionConfig, 'loss'>>,
    Partial<ComputingConfig> {
  /** Images; default 16. */
  readonly count?: number;
  /** Image k of a seed is the same whatever the count; default 0. */
  readonly seed?: number;
  /** Side of the images in pixels, for bare weights; default 64. */
  readonly size?: number;
  /** Moments of the way from noise to keep, evenly spaced, and of how many of the first images; default none. */
  readonly frames?: { readonly moments: number; readonly images: number };
  /** Fail with a CheckError unless a CUDA GPU computes; default false. */
  readonly requireCuda?: boolean;
  /** Aborting it throws Interrupted. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: SampleEvent) => void;
}

/** Images, and the model that made them. */
export interface Samples extends SampleResult {
  readonly model: ModelConfig;
}

/**
 * Draws images from a run, a checkpoint folder or a bare .safetensors.
 * @throws UsageError for what is no model, and for settings that cannot be or that the run has otherwise.
 */
export async function sample(model: string, options: SampleSettings = {}): Promise<Samples> {
  const { sampler, steps, eta, norm, frames, requireCuda, signal, onEvent, ...rest } = options;
  const settings = new JsonObject('sample', rest, 'all');
  const opened = await openModel(model, settings);
  const { timesteps } = opened.diffusion;
  const sampling = new JsonObject('sample', { sampler, steps, eta, norm }, 'all');
  const count = readCount(settings) ?? 16;
  const complete: SampleOptions = {
    weights: opened.weights,
    model: opened.model,
    diffusion: opened.diffusion,
    sampling: readSampling(sampling, timesteps),
    computing: checkComputing({ ...COMPUTING_DEFAULTS, ...readComputing(settings) }),
    seed: readSeed(settings) ?? 0,
    count,
    frames: frames === undefined ? null : readFrames(frames, count),
    requireCuda: requireCuda ?? false,
    ...(signal && { signal }),
    ...(onEvent && { onEvent }),
  };
  settings.finish();
  return { ...(await sampleWeights(complete)), model: opened.model };
}

const readCount = (settings: JsonObject): number | undefined =>
  settings.whole('count', { min: 1, max: 65_536 });

function readFrames(
  frames: NonNullable<SampleSettings['frames']>,
  count: number,
): SampleOptions['frames'] {
  const object = new JsonObject('sample.frames', frames);
  const moments = object.whole('moments', { min: 1, max: 100_000 })!;
  const images = object.whole('images', { min: 1, max: count })!;
  object.finish();
  return { moments, images };
}
