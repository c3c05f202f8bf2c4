import { F32 } from './f32';
import { padded } from './padded';

/*
 * Images are dense outside the network (1 or 3 channels, of latents more) and padded to a multiple of 8 inside it, so that every
 * kernel works on whole vectors. The padding is zero and stays zero.
 */

/** out f32 [pixels, padded] ← x f32 [pixels, channels], zeros behind. Items: pixels. */
export function padChannels(out: F32, x: F32, channels: i32, begin: i32, end: i32): void {
  const width = padded(channels);
  for (let i = begin; i < end; i++) {
    const pixel = out.at(<usize>i * width);
    const last = width - 8;
    pixel.setLanes(last, f32x4.splat(0));
    pixel.setLanes(last + 4, f32x4.splat(0));
    for (let c = 0; c < channels; c++) pixel[c] = x[<usize>(i * channels + c)];
  }
}

/** out f32 [pixels, channels] ← x f32 [pixels, padded]. Items: pixels. */
export function dropChannels(out: F32, x: F32, channels: i32, begin: i32, end: i32): void {
  const width = padded(channels);
  for (let i = begin; i < end; i++) {
    for (let c = 0; c < channels; c++) out[<usize>(i * channels + c)] = x[<usize>i * width + c];
  }
}

/** out [rows, outStride] ← x [rows, inStride], or out += x if `add`, on `channels` of each. Items: rows. */
export function copyChannels(
  out: F32,
  outStride: i32,
  x: F32,
  inStride: i32,
  channels: i32,
  add: bool,
  begin: i32,
  end: i32,
): void {
  for (let row = begin; row < end; row++) {
    const to = out.at(<usize>row * outStride);
    const from = x.at(<usize>row * inStride);
    let c = 0;
    if (add)
      for (; c + 8 <= channels; c += 8) {
        const low = f32x4.add(to.lanes(c), from.lanes(c));
        to.setPair(c, low, f32x4.add(to.upperLanes(c), from.upperLanes(c)));
      }
    else for (; c + 8 <= channels; c += 8) to.setPair(c, from.lanes(c), from.upperLanes(c));
    if (c < channels) to.setLanes(c, add ? f32x4.add(to.lanes(c), from.lanes(c)) : from.lanes(c));
  }
}
