import type { ExecutionContext } from 'ava';

/** What stands between the pixels of a tensor: a kernel must neither read nor change it. */
const GAP = 42;

/**
 * The channels of a tensor that is a concatenation: each part is padded by itself to a multiple of 8, so that padding lies between
 * real channels; pixels are `gap` floats further apart than that. Turns plain arrays [rows, real channels] into such
 * tensors and back.
 */
export class Channels {
  readonly real: number;
  /** Channels with their padding. */
  readonly padded: number;
  /** Floats from a pixel to the next. */
  readonly stride: number;
  /** Place of each real channel. */
  readonly places: readonly number[];

  constructor(parts: readonly number[], gap: number) {
    const places: number[] = [];
    let first = 0;
    for (const part of parts) {
      for (let c = 0; c < part; c++) places.push(first + c);
      first += Math.ceil(part / 8) * 8;
    }
    this.real = places.length;
    this.padded = first;
    this.stride = first + gap;
    this.places = places;
  }

  /** The same channels with another distance between pixels. */
  apart(gap: number): Channels {
    return Object.assign(Object.create(Channels.prototype) as Channels, this, {
      stride: this.padded + gap,
    });
  }

  /** For each padded channel its real channel divided by `per`, −1 for padding. */
  members(per = 1): Int32Array<ArrayBuffer> {
    const members = new Int32Array(this.padded).fill(-1);
    for (const [c, place] of this.places.entries()) members[place] = Math.floor(c / per);
    return members;
  }

  /** Rows of `stride` floats: values, zeros as padding, and what must stay between the rows. */
  spread(values: ArrayLike<number>): Float32Array<ArrayBuffer> {
    const rows = values.length / this.real;
    const out = new Float32Array(rows * this.stride).fill(GAP);
    for (let row = 0; row < rows; row++) {
      const first = row * this.stride;
      out.fill(0, first, first + this.padded);
      for (const [c, place] of this.places.entries())
        out[first + place] = values[row * this.real + c]!;
    }
    return out;
  }

  /** The real channels of such rows. Fails where padding is not 0 or the gaps were written. */
  gather(t: ExecutionContext, array: Float32Array, what = 'tensor'): Float32Array<ArrayBuffer> {
    const rows = array.length / this.stride;
    const out = new Float32Array(rows * this.real);
    for (let row = 0; row < rows; row++)
      for (const [c, place] of this.places.entries())
        out[row * this.real + c] = array[row * this.stride + place]!;
    t.deepEqual(array, this.spread(out), `${what}: padding and gaps`);
    return out;
  }
}
