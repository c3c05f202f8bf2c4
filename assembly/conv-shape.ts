/**
 * The geometry of a convolution as a gather, in a form that covers 3x3, 4x4 stride 2, 1x1, linear layers,
 * transposed convolutions and the data gradient of each. The host writes it into shared memory once.
 *
 * Output "grid" positions (gy, gx) of one phase read the input at (step·gy + offset + phase + a, …) for taps
 * (a, b), and write the output at (outStep·gy + phaseY, …). A transposed 4x4 stride-2 convolution has four
 * phases of 2x2 taps (outStep 2); everything else has one.
 *
 * Activations are f32 [batch, height, width, channel] with a pixel stride in floats that may exceed the channel
 * count (a tensor can be half of a concatenation). Channel counts are multiples of 8; the padding holds zeros.
 * Weights are panels W[cout/8][phase][tap][cin][8].
 */
@unmanaged
export class ConvShape {
  batch: i32;
  /** Input height, width, channels and pixel stride. */
  height: i32;
  width: i32;
  inputs: i32;
  inStride: i32;
  /** Grid of one phase. */
  gridHeight: i32;
  gridWidth: i32;
  /** Output height, width, channels and pixel stride. */
  outHeight: i32;
  outWidth: i32;
  outputs: i32;
  outStride: i32;
  /** Taps along one axis; grid step in the input; grid step in the output. */
  taps: i32;
  step: i32;
  outStep: i32;
  /** Input offset of tap 0, phase 0: −1 for padding 1, 0 for none. */
  offset: i32;
  /** Phases along one axis: 1 or 2. */
  phases: i32;
  /** 1: the output is added to what is there; 0: it replaces it. */
  accumulate: i32;
  /** 1: max(·, 0) on the result. */
  relu: i32;
  /** How many of the cout/8 panels one item takes (forward); input channels one item takes (weight gradient). */
  panelsPerItem: i32;
  channelsPerItem: i32;

  /** Grid positions of one phase over the whole batch. */
  rows(): i32 {
    return this.batch * this.gridHeight * this.gridWidth;
  }

  /** Length of the sum behind one output: taps × input channels. */
  depth(): i32 {
    return this.taps * this.taps * this.inputs;
  }
}
