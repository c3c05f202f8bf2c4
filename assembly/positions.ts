import { F32 } from './f32';

/**
 * y = x + table, the same for every image; y may alias x. x, y: [images · pixels] rows of xStride and yStride floats; table: f32
 * [pixels][channels]. Items: rows.
 */
export function addPositions(
  y: F32,
  yStride: usize,
  x: F32,
  xStride: usize,
  table: F32,
  pixels: i32,
  channels: i32,
  begin: i32,
  end: i32,
): void {
  for (let row = begin; row < end; row++) {
    const to = y.at(<usize>row * yStride);
    const from = x.at(<usize>row * xStride);
    const add = table.at(<usize>((row % pixels) * channels));
    for (let c = 0; c < channels; c += 8) {
      const low = f32x4.add(from.lanes(c), add.lanes(c));
      const high = f32x4.add(from.upperLanes(c), add.upperLanes(c));
      to.setPair(c, low, high);
    }
  }
}
