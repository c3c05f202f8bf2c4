/*
 * The largest that a network's numbers may be, wherever they come from: flags, settings or files. Beyond them a count would take
 * for ever before anything could say that it does not fit.
 */

/** Channels, groups, and the length of the time embedding. */
export const MOST_CHANNELS = 16_384;
/** Residual blocks of a level. */
export const MOST_LAYERS = 64;
export const MOST_CLASSES = 1_000_000;
/** The side of the images. */
export const LARGEST_SIDE = 4096;

/** The largest label that is embedded as a timestep: as far as diffusers' networks are trained to be told these. */
export const MOST_LABEL = 999;
