/** Shared by `sample`, `generate` and `load`: opening a model on disk, and drawing from it. */
import { readPictureShape } from '../config/autoencoder.js';
import {
  COMPUTING_DEFAULTS,
  checkComputing,
  readComputing,
  readSeed,
} from '../config/computing.js';
import { classNames } from '../config/condition.js';
import type { ComputingConfig, DiffusionConfig, SamplingConfig } from '../config/config.js';
import { readDrawn } from '../config/guide.js';
import { JsonObject } from '../config/json.js';
import { openModel } from '../config/open-model.js';
import { checkNorm, readSampling, SAMPLING_SETTINGS } from '../config/sampling.js';
import type { SamplingDefaults } from '../config/scheduler.js';
import type { CustomSampler } from '../diffusion/custom-sampler.js';
import { mostSteps, OWN_SETTINGS, type SamplerName } from '../diffusion/samplers.js';
import { UsageError } from '../errors.js';
import { requirePath } from '../io/require-path.js';
import type { Hints } from '../network/recognise.js';
import { byOwnNames } from './field-names.js';

/** How to open a model on disk. Each setting is the flag of the same name, with its default. */
export interface ModelSettings
  extends Omit<Hints, 'headDim'>,
    Partial<Omit<DiffusionConfig, 'loss'>>,
    Partial<ComputingConfig> {
  /** Channels per attention head, for bare weights; `all` is one head. Default 8, for a dit 64, or the largest divisor of the channels below that. E.g. `headDim: 64`. */
  readonly headDim?: number | 'all';
  /** The flag's name for `eps`. Default 1e-5. E.g. `normEps: 1e-6`. */
  readonly normEps?: number;
  /**
   * diffusers' config.json of a unet2d or dit, for bare weights, whose shapes do not determine everything. Default none.
   * E.g. `networkConfig: 'config.json'`.
   */
  readonly networkConfig?: string;
  /**
   * Which of a run's weights to use: `raw`, or an average, `ema` or `ema:0.999`. Default `ema` if the run has it.
   * E.g. `weights: 'raw'`.
   */
  readonly weights?: 'raw' | 'ema' | `ema:${number}`;
  /** Size of the images in pixels, for bare weights. Default 64. E.g. `size: 32`. */
  readonly size?: number;
  /**
   * Folder of diffusers with the AutoencoderKL or AutoencoderTiny that decodes the model's latents. Default the model's own, if it has one.
   * E.g. `autoencoder: 'taesd'`.
   */
  readonly autoencoder?: string;
  /** Fail with a CheckError unless a CUDA GPU computes. Default false. E.g. `requireCuda: true`. */
  readonly requireCuda?: boolean;
}

/** The reverse process. Each setting is the flag of the same name, with its default. */
export interface SamplingSettings extends Partial<Omit<SamplingConfig, 'clamp' | 'custom'>> {
  /**
   * Classes that the images take in turn, by name or, unless names are numbers, by number; `none` draws without a class. Default all.
   * E.g. `class: ['sedan', 'bus']`.
   */
  readonly class?: string | number | readonly (string | number)[];
  /**
   * How strongly images follow their classes (Ho & Salimans 2022), or move away from `guide`. Default 1, which does
   * not guide. E.g. `guidance: 3`.
   */
  readonly guidance?: number;
  /**
   * Weaker weights that images are guided away from (autoguidance, Karras et al. 2024), with `guidance` 1.5 by default: a model, or
   * `none`. Default what the run's `keepGuide` kept. E.g. `guide: 'runs/1/checkpoints/step-500'`.
   */
  readonly guide?: string;
  /**
   * Clamp each step's prediction of the final image to ±`clampRange`. Default false, or what the model's scheduler says.
   * E.g. `clamp: true`.
   */
  readonly clamp?: boolean;
  /** Largest value that `clamp` leaves. Default 1. E.g. `clampRange: 1.5`. */
  readonly clampRange?: number;
  /** Key of all random numbers. Default 0. Image k of a seed is the same whatever else is drawn. E.g. `seed: 7`. */
  readonly seed?: number;
}

/** Sampling settings that also allow a custom sampler. */
export interface AnySamplingSettings extends Omit<SamplingSettings, 'sampler'> {
  /**
   * Method of the reverse process: by name, or a function that makes the steps (see `CustomSampler`). Default the model's.
   * E.g. `sampler: 'unipc'`.
   */
  readonly sampler?: SamplerName | CustomSampler;
}

/** Settings shared by drawing functions. */
export interface DrawSettings<Event> extends ModelSettings, SamplingSettings {
  /** Aborting it throws Interrupted. Default none. E.g. `signal: AbortSignal.timeout(60_000)`. */
  readonly signal?: AbortSignal;
  /** Called with notes and progress. Default none. E.g. `onEvent: ({ kind }) => console.log(kind)`. */
  readonly onEvent?: (event: Event) => void;
}

/**
 * Opens the model and reads the settings; `readOwn` reads the caller's.
 * @throws UsageError if it is not a model, and for settings that are invalid, unknown, or differ from the
 *   run's.
 */
export async function readDraw<Event, Own>(
  where: string,
  path: string,
  settings: Omit<DrawSettings<Event>, 'sampler'> & AnySamplingSettings,
  readOwn: (source: JsonObject, computing: ComputingConfig) => Own,
) {
  requirePath(where, path, MODEL);
  const { requireCuda, signal, onEvent, ...given } = settings;
  const [draw, rest] = split(given, SAMPLING_SETTINGS);
  const source = new JsonObject(where, byOwnNames(where, rest), 'all');
  const computing = readComputers(source);
  const own = readOwn(source, computing);
  const opened = await openModel(path, source);
  const { weights, model, autoencoder, diffusion, sampling, notes } = opened;
  const pictures = readPictureShape(source, path, opened);
  const drawn = new JsonObject(where, draw, 'all');
  const seed = readSeed(source) ?? 0;
  source.finish();
  checkNorm(drawn, model);
  return {
    ...{ weights, notes, model, autoencoder, pictures, diffusion, computing, seed, ...own },
    sampling: readAnySampling(where, draw, diffusion, sampling),
    ...(await readDrawn(drawn, path, opened)),
    classNames: classNames(opened),
    requireCuda: requireCuda ?? false,
    ...(signal && { signal }),
    ...(onEvent && { onEvent }),
  };
}

/** Default number of reverse steps of a custom sampler. */
const USUAL_STEPS = 50;

/**
 * Reads the reverse process, which may be a custom sampler.
 * @throws UsageError for invalid settings, and for those that only built-in samplers have
 */
export function readAnySampling(
  where: string,
  draw: AnySamplingSettings,
  forward: DiffusionConfig,
  defaults: SamplingDefaults = {},
): SamplingConfig {
  const { sampler, ...rest } = draw;
  if (typeof sampler !== 'function')
    return readSampling(new JsonObject(where, draw, 'all'), forward, defaults);
  const foreign = OWN_SETTINGS.find((name) => draw[name] !== undefined);
  if (foreign !== undefined)
    throw new UsageError(`${where}.${foreign}: belongs to built-in samplers, got a custom one`);
  const { timesteps, objective = 'epsilon' } = forward;
  const steps = Math.min(USUAL_STEPS, mostSteps({ timesteps, objective }));
  const source = new JsonObject(where, { steps, ...rest }, 'all');
  return { ...readSampling(source, forward), custom: sampler };
}

/** What a model's path may be. */
export const MODEL = 'a run, a checkpoint folder, a diffusers folder or a file of weights';

/** Computing settings. */
export const readComputers = (source: JsonObject): ComputingConfig =>
  checkComputing({ ...COMPUTING_DEFAULTS, ...readComputing(source) });

/** Splits fields into those with these names, and the others. */
export function split(
  object: object,
  names: readonly string[],
): [chosen: Record<string, unknown>, others: Record<string, unknown>] {
  const entries = Object.entries(object);
  const part = (wanted: boolean) =>
    Object.fromEntries(entries.filter(([name]) => names.includes(name) === wanted));
  return [part(true), part(false)];
}
