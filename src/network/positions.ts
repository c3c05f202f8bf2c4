import type { NodeOf } from './graph.js';

/**
 * Sinusoids of the coordinates of an image's pixels, f32 [side²][stride]: with ω_i = 10000^(−i/quarter), quarter = channels/4,
 * sin(x·ω_i), cos(x·ω_i), sin(y·ω_i) and cos(y·ω_i) in this order, zeros from `channels` to `stride`. The pixels of an image of `base` pixels a side have
 * the coordinates 0, 1, … (all as diffusers' PatchEmbed rounds them); others are stretched to the same range.
 */
export function positionTable(
  { base, out: { side, channels } }: Pick<NodeOf<'positions'>, 'base' | 'out'>,
  stride: number,
): Float32Array {
  const quarter = channels / 4;
  const table = new Float32Array(side ** 2 * stride);
  const coordinate = (i: number) => Math.fround(i / Math.fround(side / base));
  for (let row = 0; row < side; row++)
    for (let column = 0; column < side; column++)
      for (let i = 0; i < quarter; i++) {
        const at = (row * side + column) * stride + i;
        const frequency = 1 / 10000 ** (i / quarter);
        const [x, y] = [coordinate(column) * frequency, coordinate(row) * frequency];
        table[at] = Math.sin(x);
        table[at + quarter] = Math.cos(x);
        table[at + 2 * quarter] = Math.sin(y);
        table[at + 3 * quarter] = Math.cos(y);
      }
  return table;
}
