/** A picture to redraw, for programs: from a file or an array. */
import type { Fit } from '../config/config.js';
import { JsonObject } from '../config/json.js';
import type { PictureShape } from '../config/picture-shape.js';
import { type AskedRedrawing, readRedrawing } from '../config/read-redraw.js';
import { arrayOf } from './array-of.js';

/** What images begin with in place of noise alone. Each setting is the flag of the same name, with its default. */
export interface RedrawSettings {
  /**
   * Picture to begin with, covered with noise: its file, or f32 [size, size, channels] around [-1, 1], as those of `pictures`. Default
   * none. E.g. `from: 'photo.jpg'`.
   */
  readonly from?: string | Float32Array;
  /** Share of the reverse steps that redraws it, in (0, 1]. Default 0.8, with `mask` 1. E.g. `strength: 0.6`. */
  readonly strength?: number;
  /**
   * Where it is drawn anew; elsewhere it is kept: a picture's file, white there, or u8 [size, size], not 0 there. Default everywhere.
   * E.g. `mask: 'mask.png'`.
   */
  readonly mask?: string | Uint8Array;
  /**
   * With `mask`: how often each step but the last is taken, from 1 to 100, so that the parts fit together (Lugmayr et al. 2022). Default 1.
   * E.g. `resample: 5`.
   */
  readonly resample?: number;
  /** Make the files' pictures square by stretching them, or by cropping their centre. Default `squash`. E.g. `fit: 'crop'`. */
  readonly fit?: Fit;
}

const FILE = "a picture's file or ";

/** @throws UsageError for settings of other types, and as `readRedrawing`; ShapeError for arrays of other lengths */
export function readRedraw(
  where: string,
  { from, mask, ...rest }: RedrawSettings,
  shape: PictureShape,
): Promise<AskedRedrawing | null> {
  const given = {
    from: typeof from === 'string' ? undefined : arrayOf(`${where}.from`, from, Float32Array, FILE),
    mask: typeof mask === 'string' ? undefined : arrayOf(`${where}.mask`, mask, Uint8Array, FILE),
  };
  const files = {
    ...(typeof from === 'string' && { from }),
    ...(typeof mask === 'string' && { mask }),
  };
  return readRedrawing(new JsonObject(where, { ...rest, ...files }, 'all'), shape, given);
}
