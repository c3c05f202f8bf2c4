/** Prepares images as input of a feature network: scaled to its size, in its layout and range. */
import { type Filter, Resizer } from './resize.js';

export interface InputForm {
  readonly size: number;
  readonly channels: 1 | 3;
  readonly layout: 'nchw' | 'nhwc';
  /** What the bytes 0 and 255 are mapped to. */
  readonly range: readonly [number, number];
  /** Then (value − mean)/deviation, by channel. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  readonly filter: Filter;
}

/** PIL's weights of red, green and blue for grey. */
const LUMA = [0.299, 0.587, 0.114] as const;

/** Prepares images of one size. */
export class FeatureInput {
  readonly #form: InputForm;
  readonly #from: { readonly size: number; readonly channels: 1 | 3 };
  readonly #resizer: Resizer;
  readonly #plane: Float32Array;
  readonly #scaled: Float32Array;

  constructor(from: { readonly size: number; readonly channels: 1 | 3 }, form: InputForm) {
    this.#form = form;
    this.#from = from;
    this.#resizer = new Resizer(from.size, form.size, form.filter);
    this.#plane = new Float32Array(from.size ** 2);
    this.#scaled = new Float32Array(form.size ** 2);
  }

  /** Writes an image, u8 [size, size, channels], as image `slot` of a batch. */
  put(pixels: Uint8Array, out: Float32Array, slot: number): void {
    const { size, channels, layout, range, mean, deviation } = this.#form;
    const [low, high] = range;
    const plane = size ** 2;
    const first = slot * plane * channels;
    for (let c = 0; c < channels; c++) {
      if (c === 0 || this.#from.channels === 3) {
        this.#take(pixels, c);
        this.#resizer.plane(this.#plane, this.#scaled);
      }
      const factor = (high - low) / 255 / deviation[c]!;
      const shift = (low - mean[c]!) / deviation[c]!;
      const [start, stride] = layout === 'nchw' ? [first + c * plane, 1] : [first + c, channels];
      for (let i = 0; i < plane; i++) out[start + i * stride] = this.#scaled[i]! * factor + shift;
    }
  }

  /** A channel of the image as floats; grey from colour if the network expects grey. */
  #take(pixels: Uint8Array, channel: number): void {
    const { channels } = this.#from;
    const plane = this.#plane;
    if (channels === 3 && this.#form.channels === 1)
      for (let i = 0; i < plane.length; i++)
        plane[i] = LUMA.reduce((sum, weight, c) => sum + weight * pixels[3 * i + c]!, 0);
    else for (let i = 0; i < plane.length; i++) plane[i] = pixels[i * channels + channel]!;
  }
}
