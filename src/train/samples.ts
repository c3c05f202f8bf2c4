import type { RunConfig } from '../config/config.js';
import { usualSampling } from '../config/sampling.js';
import { Interrupted } from '../errors.js';
import { grid } from '../io/grid.js';
import { writePicture } from '../io/pictures.js';
import type { StateDict } from '../network/state.js';
import { toImages } from '../sample/images.js';
import { sampleFrom } from '../sample/sample.js';
import type { Attention } from './options.js';

/** Images in the grid that a run draws while it trains. */
export const COUNT = 16;

/**
 * Draws a grid from the weights as they are: the same seed, so that grids of one run show the same noise. Resolves to
 * false when it is interrupted; then there is no grid.
 */
export async function writeSamples(
  path: string,
  config: RunConfig,
  state: StateDict,
  { signal, onProgress }: Attention,
): Promise<boolean> {
  const { model, diffusion, computing, seed } = config;
  const options = {
    model,
    diffusion,
    computing,
    seed,
    sampling: usualSampling(config),
    count: COUNT,
    frames: null,
    requireCuda: false,
    ...(signal && { signal }),
    onEvent: (event) => {
      if (event.kind === 'progress') onProgress?.(event.done, event.total);
    },
  } satisfies Parameters<typeof sampleFrom>[1];
  try {
    const { images } = await sampleFrom(state, options);
    await writePicture(path, grid(toImages(images, model)));
    return true;
  } catch (error) {
    if (error instanceof Interrupted) return false;
    throw error;
  }
}
