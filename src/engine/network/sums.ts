import { BLOCK } from '../../../assembly/constants.js';
import type { Pointer } from '../pointer.js';
import { type Call, call } from '../program.js';
import { pixels, strided, type View } from '../tensors.js';
import type { Walk } from './walk.js';

/** Sums over an image's pixels: of blocks first, then of these. */

/** Number of blocks for summing an image's pixels. */
export const blocksOf = (view: View): number => Math.ceil(pixels(view) / BLOCK);

/** Joins the sums of each image's blocks, the first channels of rows of `step` floats, to a vector. */
export const joinSums = (
  walk: Walk,
  vector: View,
  partial: Pointer,
  blocks: number,
  step: number,
): Call => {
  const c = vector.channels;
  return call('joinColumnSums', [...strided(vector), partial, blocks, c, step], walk.batch * c);
};
