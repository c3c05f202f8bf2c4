import type { Source } from './source.js';

/** Settings that all commands that draw images share: the seed and the count. */

/** How many images the commands draw unless they are told; of several classes `sample` draws whole rows. */
export const USUAL_COUNT = { sample: 16, generate: 64, evaluate: 1000 } as const;

/** The seed: any whole number that a double holds exactly. */
export const readSeed = (source: Source): number | undefined =>
  source.whole('seed', { min: 0, max: Number.MAX_SAFE_INTEGER });

/** The number of images to draw, if given. */
export const readCount = (source: Source): number | undefined =>
  source.whole('count', { min: 1, max: 65_536 });
