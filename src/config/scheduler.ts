import { FLOW_TIMES, type Objective } from '../diffusion/objective.js';
import { kindOf, type OwnSetting, type SamplerName } from '../diffusion/samplers.js';
import { betaScale } from '../diffusion/schedule.js';
import { UsageError } from '../errors.js';
import { readJsonFileSync } from '../io/run.js';
import type { DiffusionConfig, SamplingConfig } from './config.js';
import { checkDiffusion, DIFFUSION_DEFAULTS } from './diffusion.js';
import { JsonObject } from './json.js';
import { STEPS_OFFSET } from './limits.js';
import { choose, quote } from './source.js';

/*
 * diffusers' scheduler_config.json (0.42.1): a forward process and a sampler. It reads the schedulers of the samplers that
 * Haze has, and refuses what Haze does not support, by key and value. It writes a DDPMScheduler's.
 */

/** A scheduler's settings; `sampling` has defaults. */
export interface SchedulerConfig {
  readonly diffusion: DiffusionConfig;
  readonly sampling: SamplingDefaults;
}

/** Default sampling settings. */
export type SamplingDefaults = Partial<Omit<SamplingConfig, 'clamp'>> & {
  /** The range; false does not clamp. */
  readonly clamp?: number | false | undefined;
  /** Whether the range applies to any sampler, or only to those whose schedulers clamp in diffusers. */
  readonly clampsAll?: boolean;
};

/** How a class of schedulers is read. */
interface SchedulerClass {
  readonly sampler: (o: JsonObject) => SamplerName;
  /** Defaults of the class. */
  readonly betas?: readonly [start: number, end: number];
  readonly spacing: 'leading' | 'linspace';
  readonly clips?: boolean;
  /** For networks that predict flow. */
  readonly flow?: true;
}

const always = (sampler: SamplerName) => () => sampler;

const CLASSES: Readonly<Record<string, SchedulerClass>> = {
  DDPMScheduler: { sampler: always('ancestral'), spacing: 'leading', clips: true },
  DDIMScheduler: { sampler: always('ddim'), spacing: 'leading', clips: true },
  EulerDiscreteScheduler: { sampler: always('euler'), spacing: 'linspace' },
  EulerAncestralDiscreteScheduler: { sampler: always('euler-a'), spacing: 'linspace' },
  HeunDiscreteScheduler: {
    sampler: always('heun'),
    betas: [0.00085, 0.012],
    spacing: 'linspace',
    clips: false,
  },
  DPMSolverMultistepScheduler: { sampler: dpmSampler, spacing: 'linspace' },
  UniPCMultistepScheduler: { sampler: always('unipc'), spacing: 'linspace' },
  FlowMatchEulerDiscreteScheduler: {
    sampler: always('flow-euler'),
    spacing: 'linspace',
    flow: true,
  },
  FlowMatchHeunDiscreteScheduler: { sampler: always('heun'), spacing: 'linspace', flow: true },
};

/** diffusers' names of the schedules. */
const SCHEDULES = {
  linear: 'linear',
  scaled_linear: 'scaled-linear',
  squaredcos_cap_v2: 'cosine',
  sigmoid: 'sigmoid',
} as const satisfies Record<string, DiffusionConfig['schedule']>;

const VARIANCES = { fixed_small: 'small', fixed_large: 'large' } as const;

const PREDICTIONS = {
  epsilon: 'epsilon',
  sample: 'x0',
  v_prediction: 'v',
} as const satisfies Record<string, Objective>;

/** Keys that have no effect while their feature is off, and obsolete keys that never have any. */
const IGNORED = [
  'tensor_format',
  'flow_shift',
  'time_shift_type',
  'base_shift',
  'max_shift',
  'base_image_seq_len',
  'max_image_seq_len',
];

/** Keys that diffusers' schedulers do not take null for: without a value there is no forward process. */
const NEVER_NULL = [
  'num_train_timesteps',
  'beta_start',
  'beta_end',
  'beta_schedule',
  'prediction_type',
  'timestep_spacing',
];

/** Keys of lists, which may be empty. */
const LISTS = ['trained_betas', 'disable_corrector'];

/** Those that are on by default, and off where they are null. */
const OFF_IF_NULL = ['clip_sample', 'set_alpha_to_one', 'lower_order_final'];

/** Unsupported features: each must be off. */
const ABSENT = [
  'use_exponential_sigmas',
  'use_beta_sigmas',
  'use_lu_lambdas',
  'use_flow_sigmas',
  'use_dynamic_shifting',
  'invert_sigmas',
  'stochastic_sampling',
  'euler_at_final',
];

/** Keys that must have this value if given. */
const ONLY: Readonly<Record<string, unknown>> = {
  interpolation_type: 'linear',
  timestep_type: 'discrete',
  predict_x0: true,
};

/**
 * Reads a scheduler_config.json.
 * @param indexed the class that the pipeline's index has for it
 * @throws UsageError naming file, key and value of what is not supported, and for a class other than the index's
 */
export function readScheduler(path: string, indexed?: string): SchedulerConfig {
  const json = readJsonFileSync(path, withoutInfinity);
  if (indexed !== undefined && json._class_name !== indexed)
    throw new UsageError(
      `${path}._class_name: expected ${quote(indexed)}, as model_index.json has, got ${quote(json._class_name)}`,
    );
  return parseScheduler(path, json);
}

/** Python writes an infinity, which JSON does not have, for the lower bound of λ in DPMSolverMultistepScheduler. */
const withoutInfinity = (text: string): string =>
  text.replace(/("lambda_min_clipped"\s*:\s*)-Infinity/, '$1null');

/** Reads its parsed JSON; `where` names it in errors. */
export function parseScheduler(
  where: string,
  json: Readonly<Record<string, unknown>>,
): SchedulerConfig {
  const name = choose(`${where}._class_name`, String(json._class_name), Object.keys(CLASSES));
  const o = new JsonObject(where, meant(where, json), 'all');
  refuseAbsent(where, o, json);
  const kind = CLASSES[name]!;
  const sampler = kind.sampler(o);
  const scheduler = kind.flow
    ? flow(o, sampler)
    : { diffusion: diffusion(o, kind), sampling: sampling(o, sampler, kind) };
  o.finish();
  return scheduler;
}

/** The keys that say something. @throws UsageError for null where there must be a value */
function meant(
  where: string,
  json: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const empty = NEVER_NULL.find((key) => json[key] === null);
  if (empty !== undefined) throw new UsageError(`${where}.${empty}: expected a value, got null`);
  const kept = Object.entries(json)
    .map(([key, value]) => [key, value === null && OFF_IF_NULL.includes(key) ? false : value])
    .filter(
      ([key, value]) =>
        !String(key).startsWith('_') &&
        value !== null &&
        !(LISTS.includes(String(key)) && isEmpty(value)) &&
        !IGNORED.includes(String(key)),
    );
  return Object.fromEntries(kept);
}

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

function refuseAbsent(where: string, o: JsonObject, json: Readonly<Record<string, unknown>>): void {
  for (const key of ABSENT)
    if (o.boolean(key)) throw new UsageError(`${where}.${key}: not supported, got true`);
  if (o.has('trained_betas'))
    throw new UsageError(`${where}.trained_betas: not supported, got custom betas`);
  for (const [key, only] of Object.entries(ONLY)) {
    if (!o.has(key)) continue;
    if (json[key] !== only)
      throw new UsageError(`${where}.${key}: expected ${only}, got ${quote(json[key])}`);
    if (typeof only === 'boolean') o.boolean(key);
    else o.text(key);
  }
}

/** DPM-Solver++ of second and third order, and the stochastic one of second. */
function dpmSampler(o: JsonObject): SamplerName {
  const algorithm = o.oneOf('algorithm_type', ['dpmsolver++', 'sde-dpmsolver++']);
  const stochastic = algorithm === 'sde-dpmsolver++';
  o.oneOf('solver_type', ['midpoint']);
  const order = o.whole('solver_order', { min: 2, max: stochastic ? 2 : 3 }) ?? 2;
  if (stochastic) return 'dpm++sde';
  return order === 3 ? 'dpm++3m' : 'dpm++2m';
}

/** Order and B(h) of UniPC. */
function readUnipc(o: JsonObject): Pick<SamplingDefaults, 'order' | 'solverType'> {
  const order = o.whole('solver_order', { min: 1, max: 3 }) as 1 | 2 | 3 | undefined;
  const solverType = o.oneOf('solver_type', ['bh1', 'bh2']);
  return { ...(order && { order }), ...(solverType && { solverType }) };
}

function flow(o: JsonObject, sampler: SamplerName): SchedulerConfig {
  o.whole('num_train_timesteps', { min: FLOW_TIMES, max: FLOW_TIMES });
  if (o.boolean('use_karras_sigmas'))
    throw new UsageError(`${o.where('use_karras_sigmas')}: not supported, got true`);
  return {
    diffusion: { ...DIFFUSION_DEFAULTS, timesteps: FLOW_TIMES, objective: 'flow' },
    sampling: {
      sampler,
      spacing: 'linspace',
      shift: o.real('shift', { above: 0 }) ?? 1,
    },
  };
}

function diffusion(o: JsonObject, { betas = [1e-4, 0.02] }: SchedulerClass): DiffusionConfig {
  const schedule = o.oneOf('beta_schedule', Object.keys(SCHEDULES) as (keyof typeof SCHEDULES)[]);
  const betaStart = o.real('beta_start', { above: 0, below: 1 });
  const betaEnd = o.real('beta_end', { above: 0, below: 1 });
  if (betaStart !== undefined && betaEnd !== undefined && betaEnd < betaStart)
    throw new UsageError(
      `${o.where('beta_end')}: expected at least beta_start, which is ${betaStart}, got ${betaEnd}`,
    );
  const names = Object.keys(PREDICTIONS) as (keyof typeof PREDICTIONS)[];
  const objective = PREDICTIONS[o.oneOf('prediction_type', names) ?? 'epsilon'];
  const zeroTerminalSnr = o.boolean('rescale_betas_zero_snr') === true;
  if (zeroTerminalSnr && objective === 'epsilon')
    throw new UsageError(
      `${o.where('rescale_betas_zero_snr')}: expected false with prediction_type epsilon, got true: noise alone says nothing of the image to such a network`,
    );
  return checkDiffusion({
    ...DIFFUSION_DEFAULTS,
    timesteps: o.whole('num_train_timesteps', { min: 1, max: 100_000 }) ?? 1000,
    schedule: SCHEDULES[schedule ?? 'linear'],
    betaStart: betaStart ?? betas[0],
    betaEnd: betaEnd ?? betas[1],
    ...(objective !== 'epsilon' && { objective }),
    ...(zeroTerminalSnr && { zeroTerminalSnr }),
  });
}

function sampling(
  o: JsonObject,
  sampler: SamplerName,
  { spacing, clips }: SchedulerClass,
): SamplingDefaults {
  const variance =
    sampler === 'ancestral' && o.oneOf('variance_type', ['fixed_small', 'fixed_large']);
  const range = o.real('clip_sample_range', { above: 0 }) ?? 1;
  const clipped = o.boolean('clip_sample') ?? clips ?? false;
  const threshold = readThreshold(o);
  const has = (name: OwnSetting) => kindOf(sampler).settings.includes(name);
  return {
    sampler,
    clamp: clipped && !threshold && range,
    ...threshold,
    variance: VARIANCES[variance || 'fixed_small'],
    spacing: o.oneOf('timestep_spacing', ['leading', 'trailing', 'linspace']) ?? spacing,
    stepsOffset: o.whole('steps_offset', STEPS_OFFSET) ?? 0,
    lastAlpha: signalIsLeft(o, sampler) ? 'first' : 'one',
    ...(sampler === 'unipc' && readUnipc(o)),
    ...(has('karras') && o.boolean('use_karras_sigmas') && { karras: true }),
    ...(has('lowerOrderFinal') &&
      o.boolean('lower_order_final') === false && { lowerOrderFinal: false }),
  };
}

/** Whether the last step leaves the noise of t = 0. */
function signalIsLeft(o: JsonObject, sampler: SamplerName): boolean {
  if (sampler === 'ddim') return o.boolean('set_alpha_to_one') === false;
  if (!kindOf(sampler).settings.includes('lastAlpha')) return false;
  return o.oneOf('final_sigmas_type', ['zero', 'sigma_min']) === 'sigma_min';
}

/** Dynamic thresholding, if it is on. */
function readThreshold(o: JsonObject) {
  const dynamicThreshold = o.real('dynamic_thresholding_ratio', { min: 0, max: 1 }) ?? 0.995;
  const thresholdMax = o.real('sample_max_value', { above: 0 }) ?? 1;
  return o.boolean('thresholding') ? { dynamicThreshold, thresholdMax } : undefined;
}

/**
 * The keys of a DDPMScheduler's config.
 * @param ddim of a DDIMScheduler, for a model that was taught to draw in few steps: it takes these if their number divides T
 * @throws UsageError for a network that predicts flow, which neither can sample
 */
export function schedulerJson(
  diffusion: DiffusionConfig,
  { clamp = false, variance = 'small' }: Pick<SamplingDefaults, 'clamp' | 'variance'>,
  ddim = false,
): { readonly _class_name: string } & Record<string, unknown> {
  const { timesteps, schedule, objective = 'epsilon', zeroTerminalSnr = false } = diffusion;
  if (objective === 'flow')
    throw new UsageError(
      'export diffusers: expected a network that a DDPMScheduler samples, got --objective flow',
    );
  const scale = betaScale(diffusion);
  const nameOf = <T>(table: Readonly<Record<string, T>>, value: T) =>
    Object.entries(table).find(([, own]) => own === value)![0];
  return {
    _class_name: ddim ? 'DDIMScheduler' : 'DDPMScheduler',
    num_train_timesteps: timesteps,
    beta_start: scale * diffusion.betaStart,
    beta_end: scale * diffusion.betaEnd,
    beta_schedule: nameOf(SCHEDULES, schedule),
    trained_betas: null,
    ...(ddim ? { set_alpha_to_one: true } : { variance_type: nameOf(VARIANCES, variance) }),
    clip_sample: clamp !== false,
    clip_sample_range: clamp === false ? 1 : clamp,
    prediction_type: nameOf(PREDICTIONS, objective),
    thresholding: false,
    timestep_spacing: ddim ? 'trailing' : 'leading',
    steps_offset: 0,
    rescale_betas_zero_snr: zeroTerminalSnr,
  };
}
