/** What `sample`, `generate` and `load` have in common: a model on disk, and how to draw from it. */
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
import { readSampling, SAMPLING_SETTINGS } from '../config/sampling.js';
import type { Hints } from '../network/recognise.js';

/** How to open a model on disk. Each is the flag with its name; what is left out has the flag's default. */
export interface ModelSettings
  extends Omit<Hints, 'headDim'>,
    Partial<Omit<DiffusionConfig, 'loss'>>,
    Partial<ComputingConfig> {
  /** Channels of an attention head; `all` is one head. */
  readonly headDim?: number | 'all';
  /** diffusers' config.json of a unet2d, for bare weights, whose shapes do not say everything. */
  readonly networkConfig?: string;
  /** Of a run's weights: `raw`, or their average, `ema` or `ema:0.999`; default `ema` where the run has it. */
  readonly weights?: 'raw' | 'ema' | `ema:${number}`;
  /** Side of the images in pixels, for bare weights; default 64. */
  readonly size?: number;
  /** Fail with a CheckError unless a CUDA GPU computes; default false. */
  readonly requireCuda?: boolean;
}

/** How to go back from noise. Each is the flag with its name; what is left out has the flag's default. */
export interface SamplingSettings extends Partial<Omit<SamplingConfig, 'clamp'>> {
  /**
   * Of a model of classes: those that images take in turn, by name or number; `none` draws without one. Default all.
   * @example { class: ['sedan', 'bus'], guidance: 3 }
   */
  readonly class?: string | number | readonly (string | number)[];
  /** Of a model of classes: how strongly images follow theirs (Ho & Salimans 2022), or move away from `guide`; default 1, which does not guide. */
  readonly guidance?: number;
  /**
   * Weaker weights that images move away from (autoguidance, Karras et al. 2024), by `guidance`, then 2 unless it is given: a model, or
   * `none`. Default what `keepGuide` kept of the run.
   * @example { guide: 'runs/1/checkpoints/step-500', guidance: 2 }
   */
  readonly guide?: string;
  /** Clamp the image that each step foresees, to ±`clampRange` (default 1). */
  readonly clamp?: boolean;
  readonly clampRange?: number;
  /** Key of all random numbers; default 0. Image k of a seed is the same whatever is made beside it. */
  readonly seed?: number;
}

/** Settings of both. */
export interface DrawSettings<Event> extends ModelSettings, SamplingSettings {
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
  const { requireCuda, signal, onEvent, ...given } = settings;
  const [draw, rest] = split(given, SAMPLING_SETTINGS);
  const source = new JsonObject(where, rest, 'all');
  const computing = readComputers(source);
  const own = readOwn(source, computing);
  const opened = await openModel(path, source);
  const { weights, model, diffusion, sampling, notes } = opened;
  const drawn = new JsonObject(where, draw, 'all');
  const seed = readSeed(source) ?? 0;
  source.finish();
  return {
    ...{ weights, notes, model, diffusion, computing, seed, ...own },
    sampling: readSampling(drawn, diffusion, sampling),
    ...(await readDrawn(drawn, path, opened)),
    classNames: classNames(opened),
    requireCuda: requireCuda ?? false,
    ...(signal && { signal }),
    ...(onEvent && { onEvent }),
  };
}

/** Where to compute. */
export const readComputers = (source: JsonObject): ComputingConfig =>
  checkComputing({ ...COMPUTING_DEFAULTS, ...readComputing(source) });

/** The fields of these names, and the others. */
export function split(object: object, names: readonly string[]): [chosen: object, others: object] {
  const entries = Object.entries(object);
  const part = (wanted: boolean) =>
    Object.fromEntries(entries.filter(([name]) => names.includes(name) === wanted));
  return [part(true), part(false)];
}
