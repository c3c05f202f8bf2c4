/** What `sample` and `generate` have in common: a model on disk, and how to draw from it. */
import {
  COMPUTING_DEFAULTS,
  checkComputing,
  readComputing,
  readSeed,
} from '../config/computing.js';
import type { ComputingConfig, DiffusionConfig, SamplingConfig } from '../config/config.js';
import { JsonObject } from '../config/json.js';
import { openModel } from '../config/open-model.js';
import { readSampling } from '../config/sampling.js';

/** Settings of both. Each is the flag with its name; what is left out has the flag's default. */
export interface DrawSettings<Event>
  extends Partial<SamplingConfig>,
    Partial<Omit<DiffusionConfig, 'loss'>>,
    Partial<ComputingConfig> {
  /** Key of all random numbers; default 0. Image k of a seed is the same whatever is made beside it. */
  readonly seed?: number;
  /** Side of the images in pixels, for bare weights; default 64. */
  readonly size?: number;
  /** Fail with a CheckError unless a CUDA GPU computes; default false. */
  readonly requireCuda?: boolean;
  /** Aborting it throws Interrupted. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: Event) => void;
}

/**
 * Opens the model and reads the settings, those of the caller by `readOwn`.
 * @throws UsageError for what is no model, and for settings that cannot be, that the run has otherwise or that are
 *   unknown.
 */
export async function readDraw<Event, Own>(
  where: string,
  path: string,
  settings: DrawSettings<Event>,
  readOwn: (source: JsonObject, computing: ComputingConfig) => Own,
) {
  const { sampler, steps, eta, norm, requireCuda, signal, onEvent, ...rest } = settings;
  const source = new JsonObject(where, rest, 'all');
  const computing = checkComputing({ ...COMPUTING_DEFAULTS, ...readComputing(source) });
  const own = readOwn(source, computing);
  const { weights, model, diffusion } = await openModel(path, source);
  const sampling = new JsonObject(where, { sampler, steps, eta, norm }, 'all');
  const seed = readSeed(source) ?? 0;
  source.finish();
  return {
    ...{ weights, model, diffusion, computing, seed, ...own },
    sampling: readSampling(sampling, diffusion.timesteps),
    requireCuda: requireCuda ?? false,
    ...(signal && { signal }),
    ...(onEvent && { onEvent }),
  };
}
