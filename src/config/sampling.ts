import { checkSampler } from '../diffusion/check-sampler.js';
import {
  defaultSampler,
  defaultSpacing,
  defaultSteps,
  isMultistep,
  kindOf,
  mostSteps,
  OWN_SETTINGS,
  type OwnSetting,
  SAMPLER_NAMES,
  SAMPLERS,
  type SamplerName,
} from '../diffusion/samplers.js';
import { SPACINGS } from '../diffusion/spacing.js';
import { UsageError } from '../errors.js';
import { Args } from './args.js';
import { CONDITION_SETTINGS, conditionFlags } from './condition.js';
import type {
  DiffusionConfig,
  ModelConfig,
  RunConfig,
  RunSampling,
  SamplingConfig,
} from './config.js';
import { type Flags, given } from './flag.js';
import { STEPS_OFFSET } from './limits.js';
import type { SamplingDefaults } from './scheduler.js';
import type { Source } from './source.js';

/** Flags for clamping, and for the noise of the ancestral sampler. */
export const clampFlags: Flags = {
  clamp: {
    describe: "Clamp each step's prediction of the final image; --no-clamp turns it off",
    default: "that of a run's recipe or of a diffusers folder's scheduler, else off",
    negatable: true,
  },
  'clamp-range': { describe: 'Largest value that --clamp leaves', value: 'X', default: '1' },
  variance: {
    describe: "Variance of ancestral's noise: the posterior variance, or beta",
    value: 'small|large',
    default: 'small',
  },
};

/** `ddim 50, heun 25`, for help. */
const stepsInWords = Object.entries(SAMPLERS)
  .filter(([, { steps }]) => steps !== 'all')
  .map(([name, { steps }]) => `${name} ${steps}`)
  .join(', ');

/** The samplers with a setting, for help. */
const having = (setting: OwnSetting): string =>
  SAMPLER_NAMES.filter((name) => kindOf(name).settings.includes(setting)).join(', ');

/** Flags of the reverse process, and of the images. */
export const samplingFlags: Flags = {
  ...conditionFlags,
  sampler: {
    describe: 'Method of the reverse process',
    value: SAMPLER_NAMES.join('|'),
    default: "that of a run's recipe or of a diffusers folder; else ancestral, for flow flow-euler",
  },
  'sample-steps': {
    describe: 'Reverse steps, 1 to T; heun evaluates the network twice per step',
    value: 'N',
    default: `those of a run's recipe for its sampler; else ancestral T, ${stepsInWords}`,
  },
  eta: {
    describe: 'Noise of ddim: 0 is deterministic, 1 as much as ancestral',
    value: 'X',
    default: '0',
  },
  ...clampFlags,
  'dynamic-threshold': {
    describe: 'Clamp each image by this quantile of its own values, and divide by it (e.g. 0.995)',
    value: 'X',
  },
  'threshold-max': {
    describe: 'Largest value that --dynamic-threshold leaves before it divides',
    value: 'X',
    default: 'any',
  },
  spacing: {
    describe: "Choice of timesteps: evenly from the last, or like diffusers' timestep_spacing",
    value: SPACINGS.join('|'),
    default: 'even with ancestral, ddim and flow, else linspace',
  },
  'steps-offset': {
    describe: 'Offset of the timesteps of --spacing leading',
    value: 'N',
    default: '0',
  },
  'last-alpha': {
    describe: `Signal left after the last step: all of it, or that of t = 0 (${having('lastAlpha')})`,
    value: 'one|first',
    default: 'one',
  },
  karras: {
    describe: `Noise levels of Karras et al. 2022 instead of the timesteps' (${having('karras')})`,
    negatable: true,
  },
  'lower-order-final': {
    describe: `Use lower orders at the end of fewer than 15 steps (${having('lowerOrderFinal')})`,
    default: 'on',
    negatable: true,
  },
  order: {
    describe: `Order of ${having('order')}: the number of predictions that a step uses, 1 to 3`,
    value: 'N',
    default: '2',
  },
  'solver-type': {
    describe: `B(h) of ${having('solverType')}, by diffusers' name`,
    value: 'bh1|bh2',
    default: 'bh2',
  },
  shift: {
    describe: 'For flow: values above 1 spend more steps at high noise',
    value: 'X',
    default: '1',
  },
  bn: {
    describe:
      'BatchNorm by running statistics, or by the batch like the reference: an image then depends on the others in its batch',
    value: 'running|batch',
    default: 'running',
  },
};

/** Names in SamplingConfig whose flags have another name. */
export const SAMPLING_NAMES = { steps: 'sample-steps', norm: 'bn' };

/** Names of the settings in programs. */
export const SAMPLING_SETTINGS = [
  'sampler',
  'steps',
  'clamp',
  'clampRange',
  'dynamicThreshold',
  'thresholdMax',
  ...OWN_SETTINGS,
  'norm',
  ...CONDITION_SETTINGS,
] as const;

/** The part of the forward process that determines the reverse process. */
type Forward = Pick<DiffusionConfig, 'timesteps' | 'objective'>;

/** The sampling settings of a run's recipe, as defaults. */
export const samplingOfRun = ({ sampling }: Pick<RunConfig, 'sampling'>): SamplingDefaults =>
  sampling ? { ...sampling, clampsAll: true } : {};

/** A run's default sampling. */
export const usualSampling = (run: Pick<RunConfig, 'diffusion' | 'sampling'>): SamplingConfig =>
  readSampling(new Args({}), run.diffusion, samplingOfRun(run));

/** The sampling settings in a run's config.json. @throws UsageError for an invalid one */
export function readRunSampling(source: Source, forward: Forward): RunSampling {
  const sampling = given<SamplingConfig>({
    sampler: source.oneOf('sampler', SAMPLER_NAMES),
    steps: source.whole('steps', { min: 1, max: mostSteps(whole(forward)) }),
    eta: source.real('eta', { min: 0, max: 1 }),
    clamp: source.real('clamp', { above: 0 }),
    dynamicThreshold: source.real('dynamicThreshold', { above: 0, max: 1 }),
    thresholdMax: source.real('thresholdMax', { above: 0 }),
    ...readOwnSettings(source),
    norm: source.oneOf('norm', ['running', 'batch']),
  });
  if (sampling.clamp !== undefined && sampling.dynamicThreshold !== undefined)
    throw new UsageError(
      `${source.where('dynamicThreshold')}: clamps too, so it cannot be combined with clamp`,
    );
  return sampling;
}

/**
 * The part of a recipe's sampling that fits a forward process it was not made for: nothing if the objective does not support its
 * sampler, and no more steps than there are timesteps.
 */
export function fittingSampling(
  sampling: RunSampling | undefined,
  forward: Forward,
): RunSampling | undefined {
  const { sampler, steps } = sampling ?? {};
  const { objective, timesteps } = whole(forward);
  if (sampler !== undefined && !kindOf(sampler).objectives.includes(objective)) return undefined;
  if (steps === undefined) return sampling;
  return { ...sampling, steps: Math.min(steps, mostSteps({ objective, timesteps })) };
}

/** A recipe's sampling for latents, which pictures' range does not bound: a recipe for pictures clamps to it. */
export function ofLatents(sampling: RunSampling | undefined): RunSampling | undefined {
  if (sampling === undefined) return undefined;
  const { clamp: _, dynamicThreshold: __, ...rest } = sampling;
  return rest;
}

const whole = ({ timesteps, objective = 'epsilon' }: Forward) => ({ timesteps, objective });

/**
 * How to sample a model.
 * @param defaults those of the model's own scheduler, or its run's recipe
 * @throws UsageError for an invalid setting, or one that the sampler or the model does not have
 */
export function readSampling(
  source: Source,
  { timesteps, objective = 'epsilon' }: Forward,
  defaults: SamplingDefaults = {},
): SamplingConfig {
  const usual = defaults.sampler ?? defaultSampler(objective);
  const sampler = source.oneOf('sampler', SAMPLER_NAMES) ?? usual;
  refuseForeign(source, sampler);
  const forward = { timesteps, objective };
  const most = mostSteps(forward);
  // Steps and η were chosen for their sampler.
  const own = sampler === usual ? defaults : {};
  const steps =
    source.whole('steps', { min: 1, max: most }) ?? own.steps ?? defaultSteps(sampler, forward);
  const config = {
    sampler,
    norm: source.oneOf('norm', ['running', 'batch']) ?? defaults.norm ?? 'running',
    ...readLimits(source, sampler, defaults),
    steps,
    eta: sampler === 'ancestral' ? 1 : (source.real('eta', { min: 0, max: 1 }) ?? own.eta ?? 0),
    ...readOwn(source, sampler, { objective, defaults, all: steps === timesteps }),
  } satisfies SamplingConfig;
  checkSampler(forward, { ...config, eta: sampler === 'ddim' ? config.eta : 0 });
  return config;
}

/** @throws UsageError for BatchNorm by the batch, for a network that has none */
export function checkNorm(source: Source, { kind }: Pick<ModelConfig, 'kind'>): void {
  if (kind !== 'simple' && source.oneOf('norm', ['running', 'batch']) === 'batch')
    throw new UsageError(
      `${source.where('norm')}: belongs to --network simple; a ${kind} has no BatchNorm`,
    );
}

/** @throws UsageError naming the flag of a setting of other samplers */
function refuseForeign(source: Source, sampler: SamplerName): void {
  for (const name of OWN_SETTINGS)
    if (source.has(name) && !kindOf(sampler).settings.includes(name))
      throw new UsageError(
        `${source.where(name)}: belongs to --sampler ${having(name)}; the sampler is ${sampler}`,
      );
}

/** Samplers whose schedulers in diffusers clamp to a fixed range. */
const CLAMPING: readonly SamplerName[] = ['ancestral', 'ddim', 'heun'];

/** The limits of x̂₀. @throws UsageError for both kinds of clamping at once */
function readLimits(source: Source, sampler: SamplerName, defaults: SamplingDefaults) {
  const quantile = source.real('dynamicThreshold', { above: 0, max: 1 });
  const most = source.real('thresholdMax', { above: 0 });
  const asked = source.boolean('clamp') === true || source.has('clampRange');
  if (quantile !== undefined && asked)
    throw new UsageError(
      `${source.where('dynamicThreshold')}: clamps too, so it cannot be combined with --clamp`,
    );
  const threshold =
    asked || source.has('clamp') ? quantile : (quantile ?? defaults.dynamicThreshold);
  if (threshold === undefined && most !== undefined)
    throw new UsageError(
      `${source.where('thresholdMax')}: belongs to --dynamic-threshold, which is off, got ${most}`,
    );
  const clamps = defaults.clampsAll || CLAMPING.includes(sampler);
  const clamp = readClamp(source, clamps ? defaults.clamp : false);
  if (threshold === undefined) return clamp === false ? {} : { clamp };
  const usual = quantile === undefined ? defaults.thresholdMax : undefined;
  return given<Pick<SamplingConfig, 'dynamicThreshold' | 'thresholdMax'>>({
    dynamicThreshold: threshold,
    thresholdMax: most ?? usual,
  });
}

/** The range that x̂₀ is clamped to; false without clamping. @throws UsageError for a range without clamping */
export function readClamp(
  source: Source,
  preset: SamplingDefaults['clamp'] = false,
): number | false {
  const range = source.real('clampRange', { above: 0 });
  const on = source.boolean('clamp') ?? (range !== undefined || preset !== false);
  if (!on && range !== undefined)
    throw new UsageError(
      `${source.where('clampRange')}: belongs to --clamp, which is off, got ${range}`,
    );
  return on && (range ?? (preset === false ? 1 : preset));
}

export const readVariance = (source: Source): 'small' | 'large' | undefined =>
  source.oneOf('variance', ['small', 'large']);

interface Context {
  readonly objective: NonNullable<DiffusionConfig['objective']>;
  readonly defaults: SamplingDefaults;
  /** Whether every timestep is visited; then all spacings are the same. */
  readonly all: boolean;
}

/**
 * The settings that only some samplers have: the given ones, else the scheduler's. Values equal to the sampler's default are
 * omitted, so that older configs keep their form.
 */
function readOwn(source: Source, sampler: SamplerName, { objective, defaults, all }: Context) {
  const read = readOwnSettings(source);
  const has = (name: OwnSetting) => kindOf(sampler).settings.includes(name);
  const spacing = read.spacing ?? defaults.spacing ?? defaultSpacing(sampler, objective);
  if (read.stepsOffset !== undefined && spacing !== 'leading')
    throw new UsageError(
      `${source.where('stepsOffset')}: belongs to --spacing leading; the spacing is ${spacing}`,
    );
  const karras = read.karras ?? (has('karras') && defaults.karras);
  if (read.spacing !== undefined && karras && isMultistep(sampler))
    throw new UsageError(
      `${source.where('spacing')}: the noise levels of --karras do not follow a spacing with ${sampler}`,
    );
  const moved = spacing === 'leading' && Boolean(read.stepsOffset ?? defaults.stepsOffset);
  const alike = all && sampler === 'ancestral' && !moved;
  const usual = {
    variance: 'small',
    spacing: alike ? spacing : defaultSpacing(sampler, objective),
    stepsOffset: 0,
    lastAlpha: 'one',
    karras: false,
    lowerOrderFinal: true,
    order: 2,
    solverType: 'bh2',
    shift: 1,
  } as const;
  const names = Object.keys(usual) as (keyof typeof usual)[];
  const chosen = names.flatMap((name) => {
    const value = read[name] ?? (has(name) ? defaults[name] : undefined);
    const meant = name === 'stepsOffset' && spacing !== 'leading' ? undefined : value;
    return meant === undefined || meant === usual[name] ? [] : [[name, meant] as const];
  });
  return Object.fromEntries(chosen) as Partial<Pick<SamplingConfig, keyof typeof usual>>;
}

const readOwnSettings = (source: Source) => ({
  variance: readVariance(source),
  spacing: source.oneOf('spacing', SPACINGS),
  stepsOffset: source.whole('stepsOffset', STEPS_OFFSET),
  lastAlpha: source.oneOf('lastAlpha', ['one', 'first']),
  karras: source.boolean('karras'),
  lowerOrderFinal: source.boolean('lowerOrderFinal'),
  order: source.whole('order', { min: 1, max: 3 }) as 1 | 2 | 3 | undefined,
  solverType: source.oneOf('solverType', ['bh1', 'bh2']),
  shift: source.real('shift', { above: 0 }),
});
