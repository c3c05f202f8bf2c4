import { UsageError } from '../errors.js';
import type { SamplingConfig } from './config.js';
import type { Flags } from './flag.js';
import type { SamplingDefaults } from './scheduler.js';
import type { Source } from './source.js';

/** DDIM's steps unless said otherwise (Song et al. 2021, table 1: close to the full chain's quality). */
const DDIM_STEPS = 50;

/** Flags of what is clamped, and of the noise of the ancestral sampler. */
export const clampFlags: Flags = {
  clamp: {
    describe: 'Clamp the image that each step foresees; --no-clamp does not',
    default: "off, for diffusers' folders what their scheduler says",
    negatable: true,
  },
  'clamp-range': { describe: 'Largest value that --clamp leaves', value: 'X', default: '1' },
  variance: {
    describe: 'Noise of ancestral: the posterior variance, or beta',
    value: 'small|large',
    default: 'small',
  },
};

/** Flags of the reverse process. */
export const samplingFlags: Flags = {
  sampler: { describe: 'How to go back', value: 'ancestral|ddim', default: 'ancestral' },
  'sample-steps': {
    describe: 'Reverse steps of ddim, 1 to T; ancestral takes all T',
    value: 'N',
    default: `T, with ddim ${DDIM_STEPS}`,
  },
  eta: {
    describe: 'Noise of ddim: 0 is deterministic, 1 as much as ancestral',
    value: 'X',
    default: '0',
  },
  ...clampFlags,
  spacing: {
    describe: "Timesteps of ddim: evenly from the last, or as diffusers' timestep_spacing",
    value: 'even|leading|trailing|linspace',
    default: 'even',
  },
  'steps-offset': {
    describe: 'Timesteps that --spacing leading is moved by',
    value: 'N',
    default: '0',
  },
  'last-alpha': {
    describe: "Signal left after ddim's last step: all of it, or that of t = 0",
    value: 'one|first',
    default: 'one',
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
  'eta',
  'clamp',
  'clampRange',
  'variance',
  'spacing',
  'stepsOffset',
  'lastAlpha',
  'norm',
] as const;

/**
 * How to sample a model of T timesteps.
 * @param defaults what the model's own scheduler says
 * @throws UsageError for a setting that cannot be, or that the sampler does not have.
 */
export function readSampling(
  source: Source,
  timesteps: number,
  defaults: SamplingDefaults = {},
): SamplingConfig {
  const sampler = source.oneOf('sampler', ['ancestral', 'ddim']) ?? defaults.sampler ?? 'ancestral';
  const norm = source.oneOf('norm', ['running', 'batch']) ?? 'running';
  const clamp = readClamp(source, defaults.clamp);
  const common = { sampler, norm, ...(clamp !== false && { clamp }) };
  for (const name of FOREIGN[sampler])
    if (source.has(name))
      throw new UsageError(
        `${source.where(name)}: belongs to --sampler ${OTHER[sampler]}; the sampler is ${sampler}`,
      );
  return sampler === 'ddim'
    ? { ...common, ...readDdim(source, timesteps, defaults) }
    : { ...common, ...readAncestral(source, timesteps, defaults) };
}

const OTHER = { ancestral: 'ddim', ddim: 'ancestral' } as const;

/** Settings that belong to the other sampler. */
const FOREIGN = {
  ancestral: ['eta', 'spacing', 'stepsOffset', 'lastAlpha'],
  ddim: ['variance'],
} as const;

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

function readDdim(source: Source, timesteps: number, defaults: SamplingDefaults) {
  const spacing =
    source.oneOf('spacing', ['even', 'leading', 'trailing', 'linspace']) ?? defaults.spacing;
  const stepsOffset =
    source.whole('stepsOffset', { min: 0, max: timesteps - 1 }) ?? defaults.stepsOffset;
  const lastAlpha = source.oneOf('lastAlpha', ['one', 'first']) ?? defaults.lastAlpha;
  if (source.has('stepsOffset') && spacing !== 'leading')
    throw new UsageError(
      `${source.where('stepsOffset')}: belongs to --spacing leading; the spacing is ${spacing ?? 'even'}`,
    );
  const steps = source.whole('steps', { min: 1, max: timesteps });
  return {
    steps: steps ?? Math.min(DDIM_STEPS, timesteps),
    eta: source.real('eta', { min: 0, max: 1 }) ?? 0,
    ...unless('spacing', spacing, 'even'),
    ...unless('stepsOffset', spacing === 'leading' ? stepsOffset : undefined, 0),
    ...unless('lastAlpha', lastAlpha, 'one'),
  };
}

function readAncestral(source: Source, timesteps: number, defaults: SamplingDefaults) {
  const steps = source.whole('steps', { min: 1, max: timesteps });
  if (steps !== undefined && steps !== timesteps)
    throw new UsageError(
      `--sample-steps: the ancestral sampler takes all ${timesteps} steps, got ${steps}; --sampler ddim takes fewer`,
    );
  if (defaults.stepsOffset)
    throw new UsageError(
      `steps_offset: the ancestral sampler takes every step once, got ${defaults.stepsOffset}; --sampler ddim has an offset`,
    );
  const variance = readVariance(source) ?? defaults.variance;
  return { steps: timesteps, eta: 1, ...unless('variance', variance, 'small') };
}

/** A field, where it says something else than is meant without it: so configs of old stay as they are. */
const unless = <K extends string, V>(
  name: K,
  value: V | undefined,
  usual: NoInfer<V>,
): { [P in K]?: V } =>
  value === undefined || value === usual ? {} : ({ [name]: value } as { [P in K]?: V });
