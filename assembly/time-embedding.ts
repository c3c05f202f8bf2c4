import { F32 } from './f32';
import { U32 } from './u32';

/**
 * Sinusoidal time embedding (Vaswani et al., 2017, section 3.5): row t[i] of a table [rows][width] that the host
 * computed in f64. out: f32 [images, width]. every: 1 if t has a row per image, 0 if one for all.
 * Items: images.
 */
export function timeEmbedding(
  out: F32,
  table: F32,
  t: U32,
  width: i32,
  every: i32,
  begin: i32,
  end: i32,
): void {
  for (let image = begin; image < end; image++) {
    const row = table.at(<usize>t[<usize>(image * every)] * width);
    for (let c = 0; c < width; c += 4) out.setLanes(<usize>(image * width + c), row.lanes(c));
  }
}
