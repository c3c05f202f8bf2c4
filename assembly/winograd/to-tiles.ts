import { CHANNEL_BLOCK } from '../constants';
import { F32 } from '../f32';
import { fetchRows } from './fetch';
import { inside, stripColumnPairs, stripColumns, stripRowPairs, stripRows } from './strip';
import { Tiling, toNextFour } from './tiling';
import { wide } from './wide';

/**
 * Transforms tiles, P X Pᵀ: with P = Bᵀ the input of a convolution (tiles overlap), with
 * P = A the gradient of its output. Items: see `tileItems`.
 * @param v transformed tiles, laid out as `g` says; tile `first` of the tensor is its tile 0
 * @param x the tensor of `g`, read as L says
 * @param scale f32[channels]
 * @param shift f32[channels] of an image; those of the next are `shiftStep` floats later
 * @param side rows of a tile that neighbouring tiles do not share: m of F(m, r)
 * @param scratch f32[STRIP_SCRATCH], the caller's own
 */
export function toTiles<P, L>(
  v: F32,
  x: F32,
  g: Tiling,
  scale: F32,
  shift: F32,
  shiftStep: usize,
  side: i32,
  first: i32,
  count: i32,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const p = changetype<P>(0);
  const l = changetype<L>(0);
  const size = <i32>p.inputs;
  const blocks = g.channelBlocks();
  const groups = (count + 3) >> 2;
  const row = <usize>(g.step * g.width * g.pixel);
  const column = <usize>(g.step * g.pixel);
  const plane = <usize>g.plane;
  const tileStep = <usize>g.tile;
  const half = <usize>g.half;
  const eight = <usize>g.eight;
  for (let item = <i32>begin; item < <i32>end; item++) {
    const c0 = (item % blocks) * CHANNEL_BLOCK;
    const group = (item / blocks) % groups;
    const phase = item / (blocks * groups);
    const channels = <usize>min(CHANNEL_BLOCK, g.channels - c0);
    const block = v.at(phase * g.phaseStride + group * g.block + (c0 >> 3) * g.eight);
    const stop = min(4 * group + 4, count);
    let t = 4 * group;
    while (t < stop) {
      const tx = (first + t) % g.across;
      const ty = ((first + t) / g.across) % g.down;
      const image = (first + t) / (g.across * g.down);
      // Tiles side by side in one row of tiles.
      const run = min(stop - t, g.across - tx);
      const span = (run - 1) * side + size;
      const top = ty * side * g.step + g.origin + (phase >> 1);
      const left = tx * side * g.step + g.origin + (phase & 1);
      const rows = inside(top, g.step, g.height, size);
      const columns = inside(left, g.step, g.width, span);
      if (tx === 0 && c0 === 0 && phase === 0)
        fetchRows(x, g, image * g.height + top + size * g.step, side, scratch);
      // The corner may lie outside the image, or before all of it: it is only an address; pixels inside are read.
      const corner = x.at(((image * g.height + top) * g.width + left) * g.pixel + c0);
      const scales = scale.at(c0);
      const shifts = shift.at(<usize>image * shiftStep + c0);
      let c: usize = 0;
      let to = block.at((t & 3) * g.tile);
      if (wide) {
        do {
          const from = corner.at(c);
          const s = scales.at(c);
          const b = shifts.at(c);
          stripColumnPairs<P, L>(scratch, from, row, column, rows, columns, span, s, b);
          stripRowPairs<P>(to, tileStep, plane, scratch, 8 * side, run);
          to = to.at(eight);
          c += 8;
        } while (c < channels);
        t += run;
        continue;
      }
      do {
        const s = l.factor(scales, c);
        const b = l.factor(shifts, c);
        stripColumns<P, L>(scratch, corner.at(c), row, column, rows, columns, span, s, b);
        stripRows<P>(to, tileStep, plane, scratch, 4 * side, run);
        to = to.at(toNextFour(c, half, eight));
        c += 4;
      } while (c < channels);
      t += run;
    }
  }
}
