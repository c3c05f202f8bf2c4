/*
 * Constants shared by the kernels and the code that plans their calls. Both compilers read this file: no types (AssemblyScript takes a
 * whole number for an i32), no imports, and only numbers.
 */

/** Pixels, or rows, of one block of sums: constant, so that no sum depends on the workers. */
export const BLOCK = 256;

/** Pixels and channels of an item where a group norm's passes are divided finer than that, so that one image is enough for many workers. */
export const NORM_PIXELS = 32;
export const NORM_CHANNELS = 32;

/** Floats whose squares `gradientNorm` sums at a time. */
export const CLIP_BLOCK = 4096;

/** Flags of `dense`, `winogradOutput` and other kernels with the same final step. */
export const ACCUMULATE = 1;
export const RELU = 2;

/** Kinds of `noiseLoss`. */
export const L1 = 0;
export const L2 = 1;
export const HUBER = 2;

/** Modes of `transposeWeights`: how the taps of a layer map to those of its adjoint. */
export const FLIP = 0;
export const TO_TRANSPOSED = 1;
export const FROM_TRANSPOSED = 2;

/** Modes of `deriveWeights` and `foldGradient`; the first two are also the offset of W in K. */
export const STRIDED = 0;
export const STRIDED_RIGHT = 1;
export const UPSAMPLED = 2;

/** Flags returned by `barrier`: the run was aborted; the wait was so long that the worker slept. */
export const ABORTED = 1;
export const SLEPT = 2;

/** Bytes from the barrier's first word to the others, each on its own cache line. */
export const GENERATION = 64;
export const SLEEPERS = 128;
export const ABORT = 192;

/** Queries of an item of `attention`: a multiple of twelve, the rows of a product block, and of the lanes of two vectors. */
export const ATTENTION_QUERIES = 48;

/** Floats before the arrays in attention's scratch, for the pointers to them. */
export const ATTENTION_HEADER = 32;

/** Padding in floats between the weights of eight queries and those of the next. */
export const ATTENTION_PADDING = 16;

/** Channels that one item of a transform covers (fewer in the last block): two cache lines of each pixel. */
export const CHANNEL_BLOCK = 32;

/** Input channels that one item of a weight transform covers (fewer in the last block). */
export const WEIGHT_BLOCK = 16;

/** Padding in floats between groups of four tiles of V, in deep plans and others; measured, 1 to 7 %. */
export const QUAD_PADDING = 16;

/** Floats of scratch for a transform in both directions, P X Pᵀ. */
export const SANDWICH_SCRATCH = 144;

/** Floats of a row of a strip of four channels, and of one of eight, which has its own scratch size. */
export const STRIP_WIDTH = 72;
export const WIDE_STRIP_WIDTH = 2 * STRIP_WIDTH;
/** Floats of scratch for transforms by strips, of either kind. */
export const STRIP_SCRATCH = 6 * WIDE_STRIP_WIDTH + 8;

/**
 * Floats before the planes in the scratch of a worker that transforms and multiplies: whole cache lines, for strips, which
 * need more than the inverse transform.
 */
export const TRANSFORM_SCRATCH = (STRIP_SCRATCH + 15) & ~15;

/** Input channels of the block of weights that the deep kernels transform at a time. */
export const DEEP_BLOCK = 64;

/** Most output panels that share a block's read of V; more gained nothing. */
export const DEEP_GROUP = 2;

/** Floats between a block's points: their contents, and padding to avoid cache conflicts. */
export const DEEP_POINT = DEEP_BLOCK * 8 + 16;

/** Floats of scratch of the deep kernels: a transform's, then a block of 36 points for each panel of a group. */
export const DEEP_SCRATCH = SANDWICH_SCRATCH + DEEP_GROUP * 36 * DEEP_POINT;

/** Rows and panels of an item of `denseBlocks`: the rows are a multiple of twelve, the rows of a product block. */
export const DENSE_ROWS = 48;
export const DENSE_PANELS = 16;

/** Inputs and output panels of an item of `denseWeightsBlocks`: their sums stay in the cache. */
export const DENSE_GRADIENT_INPUTS = 128;
export const DENSE_GRADIENT_PANELS = 8;

/** Rows that it loads at a time, and padding in floats between groups of channels, to avoid cache conflicts. */
export const DENSE_GRADIENT_CHUNK = 128;
export const DENSE_GRADIENT_PADDING = 16;

/** Floats of its scratch: groups of eight inputs, and panels of outputs. */
export const DENSE_GRADIENT_SCRATCH =
  ((DENSE_GRADIENT_INPUTS >> 3) + DENSE_GRADIENT_PANELS) *
  (8 * DENSE_GRADIENT_CHUNK + DENSE_GRADIENT_PADDING);

/** Rows of a panel of weights that one item of Muon's passes covers. */
export const MUON_ROWS = 64;
