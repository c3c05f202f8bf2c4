/** Images as a run takes them: a batch at a time, of pixels or of latents. */
import type { BatchImages } from '../contracts/trainer.js';
import type { Dataset } from './dataset.js';
import { imageBytes } from './decode.js';

/** Images by index in [0, count), like a data set's. */
export interface RunImages
  extends Pick<Dataset, 'name' | 'count' | 'size' | 'classes' | 'ahead' | 'close'> {
  readonly channels: number;
  /** Whether they are latents, and if so whether there are those of mirrored pictures, too; null for pixels. */
  readonly latents: { readonly mirrored: boolean } | null;
  /**
   * Reads images into memory of their own.
   * @param flips one per image; 1 mirrors it left to right. Pixels come with them, for the trainer to do it; latents are mirrored.
   * @throws RunError if an image that was readable before no longer is
   */
  batch(indices: ArrayLike<number>, flips?: Uint32Array): Promise<BatchImages>;
}

/** What a run trains on. */
export interface RunData {
  readonly train: RunImages;
  /** Undefined without `--held-out`. */
  readonly heldOut: RunImages | undefined;
  /** A hash of the encoder whose latents these are; null for pixels. */
  readonly encoder: string | null;
  /** Closes both. */
  close(): Promise<void>;
}

/** A data set whose pixels are trained on. */
export const ofPixels = (dataset: Dataset): RunImages => ({
  name: dataset.name,
  count: dataset.count,
  size: dataset.size,
  channels: dataset.channels,
  classes: dataset.classes,
  latents: null,
  batch: async (indices, flips) => {
    const pixels = new Uint8Array(indices.length * imageBytes(dataset));
    await dataset.read(indices, pixels);
    return { pixels, ...(flips && { flips }) };
  },
  ahead: (batches) => dataset.ahead(batches),
  close: () => dataset.close(),
});
