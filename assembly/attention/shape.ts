import { ATTENTION_HEADER, ATTENTION_PADDING, ATTENTION_QUERIES } from '../constants';

/*
 * How attention is divided: a block of queries against all keys of a head, with the products of `winograd/micro-kernels`.
 */

/** Queries per block, in the type used for counts here. */
export const QUERIES: usize = ATTENTION_QUERIES;

/** Keys to multiply at a time: as in `winograd/multiply`. */
export const DEPTH: usize = 256;

/** Floats before the arrays in a worker's scratch. */
export const HEADER: usize = ATTENTION_HEADER;

export function up4(n: usize): usize {
  return (n + 3) & ~3;
}

export function up8(n: usize): usize {
  return (n + 7) & ~7;
}

/** Floats from the weights of eight queries to those of the next: one cache line more, to avoid cache conflicts. */
export function weightStep(tokens: usize): usize {
  return 8 * up4(tokens) + ATTENTION_PADDING;
}
