import { COMPUTING_DEFAULTS } from '../config/computing.js';
import type { RunConfig } from '../config/config.js';
import { GIVEN } from '../data/given.js';

/**
 * Of a run's config what its steps are a function of, the same for all who continue it: no paths, and nothing of when it saves, draws or
 * measures, nor of where it computes.
 */
export const configOfJobs = ({
  version,
  seed,
  data,
  model,
  diffusion,
  training,
  computing,
}: RunConfig): RunConfig => ({
  ...{ version, seed, model, diffusion },
  data: { ...data, source: GIVEN, heldOut: null },
  training: {
    ...training,
    ...{ epochs: null, init: null, grow: null, keepGuide: null },
    ...{ saveEvery: 0, sampleEvery: 0, keep: 1 },
  },
  computing: { ...COMPUTING_DEFAULTS, strict: computing.strict },
  chosen: null,
});
