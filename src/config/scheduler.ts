import { UsageError } from '../errors.js';
import { readJsonFileSync } from '../io/run.js';
import type { DiffusionConfig, SamplingConfig } from './config.js';
import { checkDiffusion, DIFFUSION_DEFAULTS } from './diffusion.js';
import { JsonObject } from './json.js';
import { choose } from './source.js';

/*
 * diffusers' scheduler_config.json of DDPMScheduler and DDIMScheduler (0.42.1), both ways: a forward process, and how to go
 * back. What Haze does not compute is refused by key and value.
 */

/** What a scheduler says; `sampling` stands where nothing else is given. */
export interface SchedulerConfig {
  readonly diffusion: DiffusionConfig;
  readonly sampling: SamplingDefaults;
}

/** How to sample unless a setting says otherwise. */
export type SamplingDefaults = Partial<Omit<SamplingConfig, 'steps' | 'eta' | 'norm' | 'clamp'>> & {
  /** The range; false does not clamp. */
  readonly clamp?: number | false;
};

const CLASSES = { DDPMScheduler: 'ancestral', DDIMScheduler: 'ddim' } as const;

/** diffusers' names of the schedules. */
const SCHEDULES = {
  linear: 'linear',
  scaled_linear: 'scaled-linear',
  squaredcos_cap_v2: 'cosine',
} as const satisfies Record<string, DiffusionConfig['schedule']>;

const VARIANCES = { fixed_small: 'small', fixed_large: 'large' } as const;

/** Keys that say nothing where thresholding is off, and those of files of old that say nothing at all. */
const IGNORED = ['dynamic_thresholding_ratio', 'sample_max_value', 'tensor_format'];

/** Features that are not there: what each must be. */
const ABSENT = ['thresholding', 'rescale_betas_zero_snr'];

/**
 * Reads a scheduler_config.json.
 * @throws UsageError naming file, key and value of what is not supported.
 */
export function readScheduler(path: string): SchedulerConfig {
  const json = readJsonFileSync(path);
  const name = choose(
    `${path}._class_name`,
    String(json._class_name),
    Object.keys(CLASSES) as (keyof typeof CLASSES)[],
  );
  const kept = Object.entries(json).filter(
    ([key, value]) => !key.startsWith('_') && value !== null && !IGNORED.includes(key),
  );
  const o = new JsonObject(path, Object.fromEntries(kept), 'all');
  for (const key of ABSENT)
    if (o.boolean(key)) throw new UsageError(`${path}.${key}: not supported, got true`);
  if (o.has('trained_betas'))
    throw new UsageError(`${path}.trained_betas: not supported, got betas of its own`);
  o.oneOf('prediction_type', ['epsilon']);
  const scheduler = { diffusion: diffusion(o), sampling: sampling(o, CLASSES[name]) };
  o.finish();
  return scheduler;
}

function diffusion(o: JsonObject): DiffusionConfig {
  const schedule = o.oneOf('beta_schedule', Object.keys(SCHEDULES) as (keyof typeof SCHEDULES)[]);
  const betaStart = o.real('beta_start', { above: 0, below: 1 });
  const betaEnd = o.real('beta_end', { above: 0, below: 1 });
  return checkDiffusion({
    ...DIFFUSION_DEFAULTS,
    timesteps: o.whole('num_train_timesteps', { min: 1, max: 100_000 }) ?? 1000,
    schedule: SCHEDULES[schedule ?? 'linear'],
    betaStart: betaStart ?? 1e-4,
    betaEnd: betaEnd ?? 0.02,
  });
}

function sampling(o: JsonObject, sampler: SamplingConfig['sampler']): SamplingDefaults {
  const variance =
    sampler === 'ancestral' && o.oneOf('variance_type', ['fixed_small', 'fixed_large']);
  const range = o.real('clip_sample_range', { above: 0 }) ?? 1;
  const clips = o.boolean('clip_sample') ?? true;
  const toOne = sampler === 'ancestral' || (o.boolean('set_alpha_to_one') ?? true);
  return {
    sampler,
    clamp: clips && range,
    variance: VARIANCES[variance || 'fixed_small'],
    spacing: o.oneOf('timestep_spacing', ['leading', 'trailing', 'linspace']) ?? 'leading',
    stepsOffset: o.whole('steps_offset', { min: 0, max: 1000 }) ?? 0,
    lastAlpha: toOne ? 'one' : 'first',
  };
}

/** The keys of a DDPMScheduler's config. */
export function schedulerJson(
  { timesteps, schedule, betaStart, betaEnd }: DiffusionConfig,
  { clamp = false, variance = 'small' }: Pick<SamplingDefaults, 'clamp' | 'variance'>,
): Record<string, unknown> {
  const nameOf = <T>(table: Readonly<Record<string, T>>, value: T) =>
    Object.entries(table).find(([, own]) => own === value)![0];
  return {
    _class_name: 'DDPMScheduler',
    num_train_timesteps: timesteps,
    beta_start: betaStart,
    beta_end: betaEnd,
    beta_schedule: nameOf(SCHEDULES, schedule),
    trained_betas: null,
    variance_type: nameOf(VARIANCES, variance),
    clip_sample: clamp !== false,
    clip_sample_range: clamp === false ? 1 : clamp,
    prediction_type: 'epsilon',
    thresholding: false,
    timestep_spacing: 'leading',
    steps_offset: 0,
    rescale_betas_zero_snr: false,
  };
}
