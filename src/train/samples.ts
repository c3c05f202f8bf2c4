import type { RunConfig } from '../config/config.js';
import { grid } from '../io/grid.js';
import { writePicture } from '../io/pictures.js';
import { toImages } from '../sample/images.js';
import { sampleFrom } from '../sample/sample.js';
import type { StateDict } from '../unet/state.js';

/** Images in the grid that a run draws while it trains. */
const COUNT = 16;

/** Draws a grid from the weights as they are: the same seed, so that grids of one run show the same noise. */
export async function writeSamples(
  path: string,
  config: RunConfig,
  state: StateDict,
): Promise<void> {
  const { model, diffusion, computing, seed } = config;
  const { images } = await sampleFrom(state, {
    model,
    diffusion,
    computing,
    seed,
    sampling: { sampler: 'ancestral', steps: diffusion.timesteps, eta: 0, norm: 'running' },
    count: COUNT,
    frames: null,
    requireCuda: false,
  });
  await writePicture(path, grid(toImages(images, model)));
}
