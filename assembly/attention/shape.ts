import { ATTENTION_HEADER, ATTENTION_PADDING, ATTENTION_QUERIES } from '../constants';

/*
 * How attention is cut: a block of queries against all keys of a head, whose products are those of `winograd/micro-kernels`.
 */

/** Queries of a block, as the type that all here is counted in. */
export const QUERIES: usize = ATTENTION_QUERIES;

/** Keys multiplied at a time: as in `winograd/multiply`. */
export const DEPTH: usize = 256;

/** Floats before the arrays in a worker's scratch. */
export const HEADER: usize = ATTENTION_HEADER;

export function up4(n: usize): usize {
  return (n + 3) & ~3;
}

export function up8(n: usize): usize {
  return (n + 7) & ~7;
}

/** Floats from the weights of four queries to those of the next: a cache line more, so that they do not meet in the cache. */
export function weightStep(tokens: usize): usize {
  return 4 * up4(tokens) + ATTENTION_PADDING;
}
