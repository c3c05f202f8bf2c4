import type { Blob } from '../../src/queue/blobs.js';
import type { GenerateJob } from '../../src/queue/generate-job.js';
import { model, optionsIn } from './generate.js';

/** A job of four images. */
export function jobOf(weights: Blob, build: string): GenerateJob {
  const { diffusion, sampling, seed } = optionsIn('', '');
  return {
    build,
    recipe: {
      ...{ weights, model, diffusion, sampling, seed },
      autoencoder: null,
      condition: null,
      guide: null,
      batch: 4,
    },
    images: [4, 5, 6, 7],
  };
}
