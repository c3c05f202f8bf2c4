import { dirname } from 'node:path';
import type { RunConfig } from '../config/config.js';
import { pictureShape } from '../config/picture-shape.js';
import { usualSampling } from '../config/sampling.js';
import type { Condition } from '../diffusion/guidance.js';
import { Interrupted } from '../errors.js';
import { type AutoencoderFiles, findAutoencoder } from '../io/autoencoder.js';
import { grid } from '../io/grid.js';
import { writePicture } from '../io/pictures.js';
import { runPaths } from '../io/run.js';
import type { StateDict } from '../network/state.js';
import { inClassRows, usualCount } from '../sample/class-rows.js';
import { toImages } from '../sample/images.js';
import { sampleFrom } from '../sample/sample.js';
import type { Attention } from './options.js';

/** Largest number of images in the grid that a run draws while it trains. */
export const COUNT = 16;

/**
 * Draws a grid with the current weights: always with the same seed, so that grids of one run start from the same noise. Resolves to
 * false if it is interrupted; then there is no grid.
 * @param path of the grid, in the run's folder of samples
 */
export async function writeSamples(
  path: string,
  config: RunConfig,
  state: StateDict,
  { signal, onProgress }: Attention,
): Promise<boolean> {
  const { model, diffusion, computing, seed } = config;
  const condition = conditionOf(config);
  const autoencoder = autoencoderOf(config, path);
  const options = {
    model,
    autoencoder,
    diffusion,
    computing,
    seed,
    sampling: usualSampling(config),
    condition,
    count: usualCount(condition, COUNT),
    frames: null,
    requireCuda: false,
    ...(signal && { signal }),
    onEvent: (event) => {
      if (event.kind !== 'note') onProgress?.(event.done, event.total);
    },
  } satisfies Parameters<typeof sampleFrom>[1];
  try {
    const { images: drawn } = await sampleFrom(state, options);
    const { images, layout } = inClassRows(
      toImages(drawn, pictureShape(model, autoencoder)),
      condition,
    );
    await writePicture(path, grid(images, layout));
    return true;
  } catch (error) {
    if (error instanceof Interrupted) return false;
    throw error;
  }
}

/** The run's copy of its autoencoder; null for a run on pixels. */
const autoencoderOf = ({ data }: RunConfig, grid: string): AutoencoderFiles | null =>
  data.autoencoder === undefined ? null : findAutoencoder(runPaths(dirname(dirname(grid))).vae);

/** All classes of a run in turn, without guidance. */
function conditionOf({ data }: RunConfig): Condition | null {
  const { classes } = data;
  return classes ? { labels: classes.names.map((_, i) => i), guidance: 1, none: null } : null;
}
