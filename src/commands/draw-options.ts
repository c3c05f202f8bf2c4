/** What `sample` and `generate` read of a model and of how it draws. */
import type { Args } from '../config/args.js';
import { readPictureShape } from '../config/autoencoder.js';
import {
  COMPUTING_DEFAULTS,
  checkComputing,
  readComputing,
  readRequireCuda,
  readSeed,
} from '../config/computing.js';
import { classNames } from '../config/condition.js';
import type { ComputingConfig } from '../config/config.js';
import { readDrawn } from '../config/guide.js';
import { openModel } from '../config/open-model.js';
import { checkNorm, readSampling, SAMPLING_NAMES } from '../config/sampling.js';

/** Where the numbers are computed. @throws UsageError for an invalid flag */
export const readComputers = (args: Args): ComputingConfig =>
  checkComputing({ ...COMPUTING_DEFAULTS, ...readComputing(args) });

/** @throws UsageError if it is not a model, and for flags that are invalid or differ from the model's */
export async function readDraw(path: string, args: Args, computing: ComputingConfig) {
  const opened = await openModel(path, args);
  const { weights, model, autoencoder, diffusion, sampling, notes } = opened;
  const pictures = readPictureShape(args, path, opened);
  const settings = args.renamed(SAMPLING_NAMES);
  checkNorm(settings, model);
  return {
    ...{ weights, notes, model, autoencoder, pictures, diffusion, computing },
    ...(await readDrawn(args, path, opened)),
    sampling: readSampling(settings, diffusion, sampling),
    classNames: classNames(opened),
    seed: readSeed(args) ?? 0,
    requireCuda: readRequireCuda(args),
  };
}
