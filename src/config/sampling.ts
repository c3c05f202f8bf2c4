import { checkSampler } from '../diffusion/check-sampler.js';
import {
  defaultSampler,
  defaultSpacing,
  defaultSteps,
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
import type { DiffusionConfig, RunConfig, RunSampling, SamplingConfig } from './config.js';
import { type Flags, given } from './flag.js';
import type { SamplingDefaults } from './scheduler.js';
import type { Source } from './source.js';

/** Flags of what is clamped, and of the noise of the ancestral sampler. */
export const clampFlags: Flags = {
  clamp: {
    describe: 'Clamp the image that each step foresees; --no-clamp does not',
    default: "off; what a run's recipe, or the scheduler of diffusers' folder says",
    negatable: true,
  },
  'clamp-range': { describe: 'Largest value that --clamp leaves', value: 'X', default: '1' },
  variance: {
    describe: 'Noise of ancestral: the posterior variance, or beta',
    value: 'small|large',
    default: 'small',
  },
};

/** `ddim 50, heun 25`, for help. */
const stepsInWords = Object.entries(SAMPLERS)
  .filter(([, { steps }]) => steps !== 'all')
  .map(([name, { steps }]) => `${name} ${steps}`)
  .join(', ');

/** The samplers that have a setting, for help. */
const having = (setting: OwnSetting): string =>
  SAMPLER_NAMES.filter((name) => kindOf(name).settings.includes(setting)).join(', ');

/** Flags of the reverse process, and of what is drawn. */
export const samplingFlags: Flags = {
  ...conditionFlags,
  sampler: {
    describe: 'How to go back',
    value: SAMPLER_NAMES.join('|'),
    default: "that of a run's recipe or of diffusers' folder; else ancestral, of flow flow-euler",
  },
  'sample-steps': {
    describe: 'Reverse steps, 1 to T; heun asks the network twice a step',
    value: 'N',
    default: `those of a run's recipe with its sampler; else ancestral T, ${stepsInWords}`,
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
    describe: "Timesteps: evenly from the last, or as diffusers' timestep_spacing",
    value: SPACINGS.join('|'),
    default: 'even with ancestral, ddim and flow, else linspace',
  },
  'steps-offset': {
    describe: 'Timesteps that --spacing leading is moved by',
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
    describe: `Lower orders at the end of fewer than 15 steps (${having('lowerOrderFinal')})`,
    default: 'on',
    negatable: true,
  },
  order: {
    describe: `Order of ${having('order')}: the images that a step looks at, 1 to 3`,
    value: 'N',
    default: '2',
  },
  'solver-type': {
    describe: `B(h) of ${having('solverType')}, as diffusers names it`,
    value: 'bh1|bh2',
    default: 'bh2',
  },
  shift: {
    describe: 'Of a network that predicts flow: how much longer the way stays with noise',
    value: 'X',
    default: '1',
  },
  bn: {
    describe:
      'BatchNorm by running statistics, or by the batch, as the reference samples: then an image depends on the others made with it',
    value: 'running|batch',
    default: 'running',
  },
};

/** Names in SamplingConfig whose flags are called otherwise. */
export const SAMPLING_NAMES = { steps: 'sample-steps', norm: 'bn' };

/** Names of the settings, for programs. */
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

/** What of the forward process says how to go back. */
type Forward = Pick<DiffusionConfig, 'timesteps' | 'objective'>;

/** What a run's recipe says of sampling, as what stands where nothing else is asked for. */
export const samplingOfRun = ({ sampling }: Pick<RunConfig, 'sampling'>): SamplingDefaults =>
  sampling ? { ...sampling, clampsAll: true } : {};

/** How a run is sampled unless something else is asked for. */
export const usualSampling = (run: Pick<RunConfig, 'diffusion' | 'sampling'>): SamplingConfig =>
  readSampling(new Args({}), run.diffusion, samplingOfRun(run));

/** The settings of a run's recipe in its config.json. @throws UsageError for one that cannot be */
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
      `${source.where('dynamicThreshold')}: clamps by itself; it does not go with clamp`,
    );
  return sampling;
}

/**
 * What of a recipe's sampling fits a forward process that it was not made for: nothing where the objective does not have its
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

const whole = ({ timesteps, objective = 'epsilon' }: Forward) => ({ timesteps, objective });

/**
 * How to sample a model.
 * @param defaults what the model's own scheduler, or its run's recipe, says
 * @throws UsageError for a setting that cannot be, or that the sampler or the model does not have.
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
  // Steps and η suit the sampler that they were chosen for.
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

/** @throws UsageError for a setting of other samplers, by its flag */
function refuseForeign(source: Source, sampler: SamplerName): void {
  for (const name of OWN_SETTINGS)
    if (source.has(name) && !kindOf(sampler).settings.includes(name))
      throw new UsageError(
        `${source.where(name)}: belongs to --sampler ${having(name)}; the sampler is ${sampler}`,
      );
}

/** Samplers whose schedulers in diffusers clamp by a fixed range. */
const CLAMPING: readonly SamplerName[] = ['ancestral', 'ddim', 'heun'];

/** What x̂₀ is clamped to. @throws UsageError for both clamps at once */
function readLimits(source: Source, sampler: SamplerName, defaults: SamplingDefaults) {
  const quantile = source.real('dynamicThreshold', { above: 0, max: 1 });
  const most = source.real('thresholdMax', { above: 0 });
  const asked = source.boolean('clamp') === true || source.has('clampRange');
  if (quantile !== undefined && asked)
    throw new UsageError(
      `${source.where('dynamicThreshold')}: clamps by itself; it does not go with --clamp`,
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

/** The range that x̂₀ is clamped to; false where it is not. @throws UsageError for a range of no clamp */
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
  /** Whether every timestep is visited, which any spacing does alike. */
  readonly all: boolean;
}

/**
 * The settings that not every sampler has: those that were given, else the scheduler's. What is the sampler's own default is
 * left out, so that configs of old stay as they are.
 */
function readOwn(source: Source, sampler: SamplerName, { objective, defaults, all }: Context) {
  const read = readOwnSettings(source);
  const has = (name: OwnSetting) => kindOf(sampler).settings.includes(name);
  const spacing = read.spacing ?? defaults.spacing ?? defaultSpacing(sampler, objective);
  if (read.stepsOffset !== undefined && spacing !== 'leading')
    throw new UsageError(
      `${source.where('stepsOffset')}: belongs to --spacing leading; the spacing is ${spacing}`,
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
  stepsOffset: source.whole('stepsOffset', { min: 0, max: 100_000 }),
  lastAlpha: source.oneOf('lastAlpha', ['one', 'first']),
  karras: source.boolean('karras'),
  lowerOrderFinal: source.boolean('lowerOrderFinal'),
  order: source.whole('order', { min: 1, max: 3 }) as 1 | 2 | 3 | undefined,
  solverType: source.oneOf('solverType', ['bh1', 'bh2']),
  shift: source.real('shift', { above: 0 }),
});
