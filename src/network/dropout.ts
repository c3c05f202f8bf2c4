import { PURPOSE } from '../diffusion/random.js';

/**
 * Dropouts draw a random word for each element, numbered as [batch, height, width, channel] without padding, from the
 * stream of (seed, `DROPOUT`, optimizer steps taken, the dropout's index): elements whose word is below this are dropped.
 */
export const dropoutThreshold = (rate: number): number => Math.floor(rate * 2 ** 32);

/** The factor for values that are kept, in f32. */
export const dropoutScale = (rate: number): number => Math.fround(1 / (1 - rate));

export const DROPOUT = PURPOSE.dropout;
