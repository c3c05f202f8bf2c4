/**
 * Many images on a device: batches side by side in lanes, each lane with its own memory over weights that all
 * share. With running statistics image k of a seed is a function of the seed, k and the weights alone.
 */
export interface Generator {
  readonly device: 'wasm' | 'tensorflow';
  /** For headers, e.g. `wasm (relaxed SIMD, 2 workers)`. */
  readonly description: string;
  /** What the bits depend on besides the settings, e.g. `relaxed`. */
  readonly build: string;
  /** Batches that may be in work at one time. */
  readonly lanes: number;
  /** Images in a full batch. */
  readonly batch: number;
  /** Reverse steps of a batch. */
  readonly steps: number;
  /** Whether batches are to end at multiples of `batch`, so that another run's are the same; default false. */
  readonly aligned?: boolean;
  /**
   * Makes the images of these numbers, at most `batch` of them: u8 [images, size, size, channels], an array of the
   * caller's own. A lane makes one batch at a time.
   * @throws EngineError when a worker is lost; the lane is free again, and the batch may be made once more
   */
  make(lane: number, images: Uint32Array): Promise<Uint8Array>;
  /** Reverse steps that the lane's batch has behind it. */
  stepsDone(lane: number): number;
  /** Told of each image that is on disk, where something else holds it until then. */
  kept?(image: number): void;
  /** Ends what is in work; safe to call twice. */
  dispose(): Promise<void>;
}
