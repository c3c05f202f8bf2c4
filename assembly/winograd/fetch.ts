import { F32 } from '../f32';
import { Tiling } from './tiling';

/*
 * Prefetches memory into the cache. A transform reads or writes a few pixels of several rows at a time, which
 * hardware prefetchers cannot predict, so it would wait for each; sequential reads they can predict. WebAssembly has no
 * prefetch instruction other than a load. Measured: a training step of `tiny` takes a twentieth less time.
 */

/**
 * Reads once through the `side · step` rows of a tensor after `row`: those that the next tiles down will use and
 * these do not. After an image's last row it reads the next image's, and after the last image whatever follows.
 * @param x the tensor of `g`
 * @param row counted through all images
 * @param unused f32[4]: receives a value, so that the compilers do not remove the reads
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

/** Zeros rows that will be overwritten: this brings them into the cache without reading them from memory. */
export function clearRows(y: F32, g: Tiling, row: i32, rows: i32): void {
  const floats = g.width * g.pixel;
  memory.fill(changetype<usize>(y.at(<usize>(row * floats))), 0, <usize>(4 * rows * floats));
}
