/**
 * Draws many images on a device: batches run side by side in lanes, each lane with its own memory over shared
 * weights. With running statistics, image k of a seed is a function of the seed, k and the weights alone.
 */
interface Lanes {
  readonly device: 'wasm' | 'tensorflow';
  /** For headers, e.g. `wasm (relaxed SIMD, 2 workers)`. */
  readonly description: string;
  /** What the bits depend on besides the settings, e.g. `relaxed`. */
  readonly build: string;
  /** Batches that may run at once. */
  readonly lanes: number;
  /** Images in a full batch. */
  readonly batch: number;
  /** Reverse steps of a batch. */
  readonly steps: number;
  /** Reverse steps that the lane's batch has finished. */
  stepsDone(lane: number): number;
  /** Stops running work; safe to call twice. */
  dispose(): Promise<void>;
}

/** Draws images that are latents. */
export interface LatentGenerator extends Lanes {
  /**
   * Like `make`, but before they become bytes: f32 [images, size, size, channels], in an array that the caller owns.
   * @throws EngineError like `make`
   */
  draw(lane: number, images: Uint32Array): Promise<Float32Array>;
}

/** Draws images that are pictures. */
export interface Generator extends Lanes {
  /** Whether batches should end at multiples of `batch`, so that another run has the same batches; default false. */
  readonly aligned?: boolean;
  /**
   * Draws the images of these numbers, at most `batch` of them: u8 [images, size, size, channels], in an array that the
   * caller owns. A lane draws one batch at a time.
   * @param wanted those of them that will be written to disk; the others already are
   * @throws EngineError if a worker is lost; the lane is free again, and the batch may be retried
   */
  make(lane: number, images: Uint32Array, wanted?: readonly number[]): Promise<Uint8Array>;
  /** Called for each image that is on disk, if something else stores it until then. */
  kept?(image: number): void;
}
