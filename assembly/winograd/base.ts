import { copyChannels } from '../channels';
import { F32 } from '../f32';
import { Tiling } from './tiling';

/**
 * y ← base in all pixels of `count` tiles, of all phases, before an output transform adds to them: so they are in the
 * cache, and the base need not be copied in a separate pass.
 * @param y the tensor of `g`
 * @param base f32 [pixels of y][baseStride]
 */
export function copyTiles(
  y: F32,
  base: F32,
  baseStride: i32,
  g: Tiling,
  first: i32,
  count: i32,
): void {
  // m of F(m, r), for each phase.
  const size = (g.algorithm / 10) * g.step;
  for (let t = first; t < first + count; t++) {
    const left = (t % g.across) * size;
    const row = t / g.across;
    const image = row / g.down;
    const top = (row % g.down) * size;
    const bottom = min(top + size, g.height);
    const width = min(size, g.width - left);
    for (let i = top; i < bottom; i++) {
      const pixel = (image * g.height + i) * g.width + left;
      const to = y.at(<usize>pixel * g.pixel);
      const from = base.at(<usize>pixel * baseStride);
      copyChannels(to, g.pixel, from, baseStride, g.channels, false, 0, width);
    }
  }
}
