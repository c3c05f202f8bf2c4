/*
 * Limits for a network's numbers, whether they come from flags, settings or files. Beyond them even counting would take too
 * long, before an error could say that it does not fit.
 */

/** Channels, groups, and the length of the time embedding. */
export const MOST_CHANNELS = 16_384;
/** Channels of images, or of latents. */
export const MOST_IMAGE_CHANNELS = 256;
/** Residual blocks per level, or blocks of a dit. */
export const MOST_LAYERS = 64;
/** Resolutions of an autoencoder: beyond, a picture of `LARGEST_SIDE` would have no latents. */
export const MOST_LEVELS = 13;
export const MOST_CLASSES = 1_000_000;
/** Size of the images. */
export const LARGEST_SIDE = 4096;

/** The largest label that is embedded like a timestep: the range that diffusers' networks are trained with. */
export const MOST_LABEL = 999;
