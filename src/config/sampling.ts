import { UsageError } from '../errors.js';
import type { SamplingConfig } from './config.js';
import type { Flags } from './flag.js';
import type { Source } from './source.js';

/** DDIM's steps unless said otherwise (Song et al. 2021, table 1: close to the full chain's quality). */
const DDIM_STEPS = 50;

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
  bn: {
    describe:
      'BatchNorm by running statistics, or by the batch, as the reference samples: then an image depends on the others made with it',
    value: 'running|batch',
    default: 'running',
  },
};

/** Names in SamplingConfig whose flags are called otherwise. */
export const SAMPLING_NAMES = { steps: 'sample-steps', norm: 'bn' };

/**
 * How to sample a model of T timesteps.
 * @throws UsageError for a setting that cannot be, or that the sampler does not have.
 */
export function readSampling(source: Source, timesteps: number): SamplingConfig {
  const sampler = source.oneOf('sampler', ['ancestral', 'ddim']) ?? 'ancestral';
  const steps = source.whole('steps', { min: 1, max: timesteps });
  const eta = source.real('eta', { min: 0, max: 1 });
  const norm = source.oneOf('norm', ['running', 'batch']) ?? 'running';
  if (sampler === 'ddim')
    return { sampler, steps: steps ?? Math.min(DDIM_STEPS, timesteps), eta: eta ?? 0, norm };
  if (steps !== undefined && steps !== timesteps)
    throw new UsageError(
      `--sample-steps: the ancestral sampler takes all ${timesteps} steps, got ${steps}; --sampler ddim takes fewer`,
    );
  if (eta !== undefined)
    throw new UsageError('--eta: belongs to --sampler ddim; the sampler is ancestral');
  return { sampler, steps: timesteps, eta: 1, norm };
}
