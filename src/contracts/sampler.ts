/**
 * The reverse process on a device, one batch at a time. Image k of a seed is a function of the seed, k and the
 * weights alone (with running statistics), so it is the same in every batch.
 */
export interface Sampler {
  /** For headers, e.g. `wasm (relaxed SIMD, 2 threads)`. */
  readonly description: string;
  /** Images in a batch; guidance passes each through the network twice. */
  readonly batch: number;
  /** Draws x_T for the images of these numbers, `batch` of them. */
  start(images: Uint32Array): Promise<void>;
  /** Takes the reverse steps [from, to) of the trajectory, counted from x_T. */
  advance(from: number, to: number): Promise<void>;
  /** The current images, f32 [batch, size, size, channels]; a copy. */
  read(): Float32Array;
  /** Replaces the current images, f32 [batch, size, size, channels], between steps. */
  write(x: Float32Array): void;
  dispose(): Promise<void>;
}
