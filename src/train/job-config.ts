import { COMPUTING_DEFAULTS } from '../config/computing.js';
import type { RunConfig } from '../config/config.js';
import { GIVEN } from '../data/given.js';

/**
 * The part of a run's config that determines its steps, the same for everyone who continues it: without paths, saving, sampling,
 * evaluation and devices.
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
  data: {
    ...data,
    ...{ source: GIVEN, heldOut: null },
    ...(data.autoencoder !== undefined && { autoencoder: GIVEN }),
  },
  training: {
    ...training,
    ...{ epochs: null, init: null, grow: null, keepGuide: null },
    ...{ saveEvery: 0, sampleEvery: 0, keep: 1 },
  },
  computing: { ...COMPUTING_DEFAULTS, strict: computing.strict },
  chosen: null,
});
