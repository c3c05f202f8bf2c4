import { BLOCK, NORM_CHANNELS, NORM_PIXELS } from '../../assembly/constants.js';

/** Items of the kernels of assembly/group-norm.ts that are divided finer than by blocks of pixels. */

/** Items of `groupNormMoments` for each image. */
export const momentItems = (pixels: number, channels: number): number =>
  Math.ceil(pixels / BLOCK) * Math.ceil(channels / NORM_CHANNELS);

/** Items of `groupNormApply` for each image. */
export const applyItems = (pixels: number): number => Math.ceil(pixels / NORM_PIXELS);
