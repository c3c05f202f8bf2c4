import { F32, madd } from '../f32';
import { SANDWICH_SCRATCH, sandwich } from './sandwich';
import { Tiling } from './tiling';

/** Channels that one item of a transform covers (fewer in the last block): two cache lines of each pixel. */
const BLOCK: i32 = 32;

/** Floats of scratch a transform needs: `sandwich`'s, then a patch of 6 x 6 pixels of one block. */
export const TRANSFORM_SCRATCH: usize = SANDWICH_SCRATCH + 36 * 32;

/** Items of a transform of `count` tiles: phases x groups of four tiles x channel blocks, the last fastest. */
function groups(count: i32): i32 {
  return (count + 3) >> 2;
}

/**
 * Copies a patch of side x side pixels, `channels` floats of each, to scratch: zero outside the image, and
 * x · scale + shift inside it where there is a scale (null otherwise).
 */
function copyPatch(
  to: F32,
  x: F32,
  g: Tiling,
  top: i32,
  left: i32,
  side: i32,
  channels: usize,
  scale: F32,
  shift: F32,
): void {
  for (let i = 0; i < side; i++) {
    for (let j = 0; j < side; j++, to = to.at(BLOCK)) {
      const row = top + i * g.step;
      const column = left + j * g.step;
      if (<u32>row >= <u32>g.height || <u32>column >= <u32>g.width) {
        for (let c: usize = 0; c < channels; c += 4) to.setLanes(c, f32x4.splat(0));
        continue;
      }
      const pixel = x.at((row * g.width + column) * g.pixel);
      if (changetype<usize>(scale) === 0) {
        for (let c: usize = 0; c < channels; c += 4) to.setLanes(c, pixel.lanes(c));
      } else {
        for (let c: usize = 0; c < channels; c += 4) {
          to.setLanes(c, madd(pixel.lanes(c), scale.lanes(c), shift.lanes(c)));
        }
      }
    }
  }
}

/**
 * Takes tiles into the transformed domain, P X Pᵀ: with P = Bᵀ the input of a convolution (tiles overlap), with
 * P = A the gradient of its output.
 * @param v transformed tiles, laid out as `g` says; tile `first` of the tensor is its tile 0
 * @param x the tensor `g` cuts; where `scale` is not null, x · scale[c] + shift[image][c] is read in its place
 * @param side rows of a tile that neighbouring tiles do not share: m of F(m, r)
 * @param scratch f32[TRANSFORM_SCRATCH], the caller's own
 */
export function toTiles<P>(
  v: F32,
  x: F32,
  g: Tiling,
  scale: F32,
  shift: F32,
  side: i32,
  first: i32,
  count: i32,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const p = changetype<P>(0);
  const patch = scratch.at(SANDWICH_SCRATCH);
  const reach = (<i32>p.inputs - 1) * g.step;
  const blocks = (g.channels + BLOCK - 1) / BLOCK;
  const affine = changetype<usize>(scale) !== 0;
  const rowColumn = p.outputs * <usize>g.plane;
  for (let item = <i32>begin; item < <i32>end; item++) {
    const c0 = (item % blocks) * BLOCK;
    const group = (item / blocks) % groups(count);
    const phase = item / (blocks * groups(count));
    const channels = <usize>min(BLOCK, g.channels - c0);
    const to = v.at(phase * g.phaseStride + group * g.block + (c0 >> 3) * g.eight);
    for (let t = 4 * group; t < min(4 * group + 4, count); t++) {
      const tx = (first + t) % g.across;
      const ty = ((first + t) / g.across) % g.down;
      const image = (first + t) / (g.across * g.down);
      const top = ty * side * g.step + g.origin + (phase >> 1);
      const left = tx * side * g.step + g.origin + (phase & 1);
      const picture = x.at(<usize>image * <usize>(g.height * g.width * g.pixel) + c0);
      const inside =
        top >= 0 && left >= 0 && top + reach < g.height && left + reach < g.width && !affine;
      let from = patch;
      let row: usize = p.inputs * BLOCK;
      let column: usize = BLOCK;
      if (inside) {
        from = picture.at((top * g.width + left) * g.pixel);
        row = g.step * g.width * g.pixel;
        column = g.step * g.pixel;
      } else {
        const shifts = affine ? shift.at(image * g.channels + c0) : shift;
        const scales = affine ? scale.at(c0) : scale;
        copyPatch(patch, picture, g, top, left, <i32>p.inputs, channels, scales, shifts);
      }
      const tile = to.at((t & 3) * g.tile);
      for (let c: usize = 0; c < channels; c += 4) {
        const at = tile.at((c >> 3) * g.eight + ((c >> 2) & 1) * g.half);
        sandwich<P>(at, rowColumn, g.plane, from.at(c), row, column, scratch);
      }
    }
  }
}

/** What happens to a convolution's sums on their way out; flags of `fromTiles`. */
const ACCUMULATE: i32 = 1;
const RELU: i32 = 2;

/**
 * Takes products back to pixels: y = Aᵀ M A + bias, added to what is there with ACCUMULATE, then max(y, 0)
 * with RELU. Writes only pixels inside the image.
 * @param y the tensor `g` cuts
 * @param m the products, laid out as `g` says; its own items of it are used up
 * @param bias f32[channels] or null. It is added to the product of the points (1, 1), whose value goes into every
 *   output of the tile once.
 */
export function fromTiles<P>(
  y: F32,
  m: F32,
  g: Tiling,
  bias: F32,
  flags: i32,
  first: i32,
  count: i32,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const p = changetype<P>(0);
  const side = <i32>p.outputs;
  const tileRow = p.outputs * 4;
  const tile = scratch.at(SANDWICH_SCRATCH);
  const blocks = (g.channels + BLOCK - 1) / BLOCK;
  const rowOfPlanes = p.inputs * <usize>g.plane;
  const yColumn = <usize>(g.step * g.pixel);
  const yRow = yColumn * <usize>g.width;
  const accumulate = (flags & ACCUMULATE) !== 0;
  const floor = f32x4.splat(flags & RELU ? 0 : -Infinity);
  for (let item = <i32>begin; item < <i32>end; item++) {
    const c0 = (item % blocks) * BLOCK;
    const group = (item / blocks) % groups(count);
    const phase = item / (blocks * groups(count));
    const channels = <usize>min(BLOCK, g.channels - c0);
    const from = m.at(phase * g.phaseStride + group * g.block + (c0 >> 3) * g.eight);
    for (let t = 4 * group; t < min(4 * group + 4, count); t++) {
      const tx = (first + t) % g.across;
      const ty = ((first + t) / g.across) % g.down;
      const image = (first + t) / (g.across * g.down);
      const top = ty * side * g.step + g.origin + (phase >> 1);
      const left = tx * side * g.step + g.origin + (phase & 1);
      const picture = y.at(<usize>image * <usize>(g.height * g.width * g.pixel) + c0);
      const corner = picture.at((top * g.width + left) * g.pixel);
      const rows = min(side, (g.height - top + g.step - 1) / g.step);
      const columns = min(side, (g.width - left + g.step - 1) / g.step);
      const products = from.at((t & 3) * g.tile);
      for (let c: usize = 0; c < channels; c += 4) {
        const at = products.at((c >> 3) * g.eight + ((c >> 2) & 1) * g.half);
        if (changetype<usize>(bias) !== 0) {
          const ones = at.at(rowOfPlanes + g.plane);
          ones.setLanes(0, f32x4.add(ones.lanes(0), bias.lanes(<usize>c0 + c)));
        }
        sandwich<P>(tile, tileRow, 4, at, rowOfPlanes, g.plane, scratch);
        for (let i = 0; i < rows; i++) {
          let pixel = corner.at(<usize>i * yRow + c);
          let sums = tile.at(<usize>i * tileRow);
          for (let j = 0; j < columns; j++) {
            let sum = sums.lanes(0);
            if (accumulate) sum = f32x4.add(pixel.lanes(0), sum);
            pixel.setLanes(0, f32x4.pmax(sum, floor));
            pixel = pixel.at(yColumn);
            sums = sums.at(4);
          }
        }
      }
    }
  }
}
