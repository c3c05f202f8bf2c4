import { CHANNEL_BLOCK } from '../constants';

/**
 * How a tensor is divided into tiles, and the layout of each tile in the transformed ("Winograd") domain.
 * The host writes it once (src/engine/winograd/geometry.ts has the same fields in the same order); kernels read it.
 *
 * Tensor: f32[batch, height, width, pixel], of which the first `channels` of a pixel are used (a multiple of 8).
 * Tile (ty, tx) of phase (py, px) has the pixels y = (ty·side + i)·step + origin + py, and the same in x,
 * where i counts the tile's rows and `side` is the number of its outputs (m of F(m, r)). Pixels outside
 * the tensor are zero when read and not written.
 *
 * Transformed domain: one plane for each of the n² points; strides in floats. Element (point, phase, t, c) is at
 *   point·plane + phase·phaseStride + (t >> 2)·block + (t & 3)·tile + (c >> 3)·eight + (c >> 2 & 1)·half + (c & 3)
 * so that four channels are always contiguous, and the layout can suit the product that follows.
 */
@unmanaged
export class Tiling {
  /** Which F(m, r): 43, 23, 42 or 22. */
  algorithm: i32;
  height: i32;
  width: i32;
  channels: i32;
  pixel: i32;
  /** Tiles of an image, down and across. */
  down: i32;
  across: i32;
  step: i32;
  origin: i32;
  /** 1, or 4 if the tensor is split into its even and odd rows and columns. */
  phases: i32;
  plane: i32;
  phaseStride: i32;
  block: i32;
  tile: i32;
  eight: i32;
  half: i32;

  /** Blocks of channels, each a separate item. */
  channelBlocks(): i32 {
    return (this.channels + CHANNEL_BLOCK - 1) / CHANNEL_BLOCK;
  }
}

/** Floats from channels c to c + 3 of a tile to the next four; `half` and `eight` are the tiling's. */
export function toNextFour(c: usize, half: usize, eight: usize): usize {
  return c & 4 ? eight - half : half;
}

/** The next tiling in memory: that of the output, or of a weight gradient's columns. */
export function following(g: Tiling): Tiling {
  return changetype<Tiling>(changetype<usize>(g) + offsetof<Tiling>());
}

/** Items of a transform of `count` tiles: phases x groups of four tiles x blocks of channels, the last fastest. */
export function tileItems(g: Tiling, count: i32): usize {
  return <usize>(g.phases * ((count + 3) >> 2) * g.channelBlocks());
}
