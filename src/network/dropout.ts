import { PURPOSE } from '../diffusion/random.js';

/**
 * Dropouts draw a random word for each element, numbered as [batch, height, width, channel] without padding, from the
 * stream of (seed, `DROPOUT`, optimizer steps taken, the dropout's index): words below this are dropped.
 */
export const dropoutThreshold = (rate: number): number => Math.floor(rate * 2 ** 32);

/** What values that are kept are multiplied by, in f32. */
export const dropoutScale = (rate: number): number => Math.fround(1 / (1 - rate));

export const DROPOUT = PURPOSE.dropout;
