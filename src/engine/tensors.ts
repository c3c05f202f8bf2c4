import { type Pointer, plusFloats } from './pointer.js';

/**
 * The memory of a tensor: f32 [batch, height, width, channel] with a pixel stride, so that a view can be one half
 * of a concatenation. Channels are padded to multiples of 8 inside the U-Net; the padding is always zero.
 */
export interface View {
  /** Byte address of the first pixel's first channel. */
  readonly at: Pointer;
  readonly height: number;
  readonly width: number;
  /** Padded channels. */
  readonly channels: number;
  /** Floats from one pixel to the next; at least `channels`. */
  readonly stride: number;
}

/** Channels as stored: rounded up to a multiple of 8. */
export const padded = (channels: number): number => Math.ceil(channels / 8) * 8;

/** Channels [first, first + count) of a view. */
export const slice = (view: View, first: number, count: number): View => ({
  ...view,
  at: plusFloats(view.at, first),
  channels: count,
});

/** A view as kernel arguments: its address and stride. */
export const strided = ({ at, stride }: View): [at: Pointer, stride: number] => [at, stride];

/** A contiguous view. */
export const contiguous = (at: Pointer, side: number, channels: number): View => ({
  at,
  height: side,
  width: side,
  channels,
  stride: channels,
});

export const pixels = (view: View): number => view.height * view.width;

/** Channels of a concatenation as stored: each part rounded up to a multiple of 8. */
export const paddedChannels = (parts: readonly number[]): number =>
  parts.reduce((sum, part) => sum + padded(part), 0);

/** The position of each real channel of a concatenation among the padded ones. */
export function paddedPlaces(parts: readonly number[]): number[] {
  let first = 0;
  return parts.flatMap((part) => {
    const places = Array.from({ length: part }, (_, c) => first + c);
    first += padded(part);
    return places;
  });
}
