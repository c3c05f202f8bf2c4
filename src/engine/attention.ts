import {
  ATTENTION_HEADER as HEADER,
  ATTENTION_PADDING as PADDING,
  ATTENTION_QUERIES as QUERIES,
} from '../../assembly/constants.js';

/** Sizes that a program needs to call the kernels of assembly/attention/. */

/** The shape of an attention layer: `images` of `tokens` pixels, whose channels are `heads` heads of `width`. */
export interface Attention {
  readonly images: number;
  readonly tokens: number;
  readonly heads: number;
  readonly width: number;
}

/** Items of `attention`. */
export const attentionItems = ({ images, tokens, heads }: Attention): number =>
  images * heads * Math.ceil(tokens / QUERIES);

/** Items of `attentionBackward`. */
export const attentionBackwardItems = ({ images, heads }: Attention): number => images * heads;

/** Floats that `attention` saves for the backward pass. */
export const attentionSaved = ({ images, tokens, heads }: Attention): number =>
  2 * images * heads * tokens;

/** Bytes of scratch, aligned to 32, that each worker needs for `attention`. */
export function attentionScratch({ tokens, width }: Attention): number {
  const { keys, weights, deep, wide } = rounded(tokens, width);
  return 4 * (HEADER + keys * (deep + wide + 8) + 9 * deep + weights + QUERIES * (8 + 2) + 8);
}

/** The same for `attentionBackward`. */
export function attentionBackwardScratch({ tokens, width }: Attention): number {
  const { keys, weights, deep, wide } = rounded(tokens, width);
  const blocks = 2 * QUERIES * wide + 17 * deep + 2 * weights;
  return 4 * (HEADER + keys * (2 * deep + 3 * wide + 16) + blocks + QUERIES * (8 + 4) + 8);
}

/** Tokens and widths rounded up to whole blocks, and floats of a block's attention weights. */
function rounded(tokens: number, width: number) {
  const up = (n: number, to: number) => to * Math.ceil(n / to);
  const keys = up(tokens, 4);
  const weights = (QUERIES / 8) * (8 * keys + PADDING);
  return { keys, weights, deep: up(width, 4), wide: up(width, 8) };
}
