import { F32 } from '../f32';
import { Tiling } from './tiling';

/*
 * Memory brought into the cache before it is used. A transform reads or writes a few pixels of several rows at a time, which
 * the processor does not foresee, so that it waits for each; what is read along memory it foresees. WebAssembly has no
 * instruction for it but a load. Measured: a training step of `tiny` takes a twentieth less time.
 */

/**
 * Reads once through the `side · step` rows of a tensor that follow `row`: those that the next tiles down will touch and
 * these did not. Behind an image's last row the next image's are read, and behind the last image's whatever is there.
 * @param x the tensor `g` cuts
 * @param row counted through all images
 * @param unused f32[4]: gets a value, so that for the compilers the reads are not in vain
 */
export function fetchRows(x: F32, g: Tiling, row: i32, side: i32, unused: F32): void {
  const pixel = <usize>g.pixel;
  const channels = <usize>g.channels;
  const first = x.at(<usize>(row * g.width) * pixel);
  const last = ((<usize>memory.size() - 1) << 16) | 0xffff;
  if (changetype<usize>(first) > last) return;
  const room = (last - changetype<usize>(first)) >> 2;
  const floats = min(<usize>(side * g.step * g.width) * pixel, room);
  let any = f32x4.splat(0);
  if (pixel === channels) {
    for (let at: usize = 0; at + 64 <= floats; at += 64) {
      any = v128.or(any, first.lanes(at));
      any = v128.or(any, first.lanes(at + 16));
      any = v128.or(any, first.lanes(at + 32));
      any = v128.or(any, first.lanes(at + 48));
    }
  } else {
    for (let at: usize = 0; at + pixel <= floats; at += pixel)
      for (let c: usize = 0; c < channels; c += 16) any = v128.or(any, first.lanes(at + c));
  }
  unused.setLanes(0, any);
}

/** Zeros in rows that will be written over: so they come into the cache without being read from memory. */
export function clearRows(y: F32, g: Tiling, row: i32, rows: i32): void {
  const floats = g.width * g.pixel;
  memory.fill(changetype<usize>(y.at(<usize>(row * floats))), 0, <usize>(4 * rows * floats));
}
