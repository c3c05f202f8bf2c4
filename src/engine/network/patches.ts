import type { NodeOf, Value } from '../../network/graph.js';
import { NULL } from '../pointer.js';
import { type Call, call, type Phase, tuple } from '../program.js';
import { pixels, strided, type View } from '../tensors.js';
import { tableName } from './memory.js';
import type { Walk } from './walk.js';

/** Images as tokens and back, forward and backward, and the positions of tokens. */

/** How the elements of a token are ordered: see the nodes `patches` and `pixels`. */
interface PatchOrder {
  readonly channels: number;
  readonly channelStep: number;
  readonly pixelStep: number;
}

const inChannels = ({ channels }: Value, size: number): PatchOrder => ({
  ...{ channels, channelStep: size ** 2, pixelStep: 1 },
});

const inPixels = ({ channels }: Value): PatchOrder => ({
  ...{ channels, channelStep: 1, pixelStep: channels },
});

/** Tokens from an image, or an image from tokens. */
function patchCall(
  walk: Walk,
  kernel: 'toPatches' | 'fromPatches',
  [y, x]: readonly [View, View],
  { channels, channelStep, pixelStep, size }: PatchOrder & { readonly size: number },
  add: boolean,
): Call {
  const side = Math.min(y.height, x.height);
  const args = tuple(
    ...tuple(...strided(y), y.channels, ...strided(x)),
    ...tuple(channels, size, side, channelStep, pixelStep, add),
  );
  return call(kernel, args, walk.batch * pixels(y));
}

export const patchesForward = (walk: Walk, { size, x, out }: NodeOf<'patches'>): Phase[] => [
  [
    patchCall(
      walk,
      'toPatches',
      [walk.view(out), walk.view(x)],
      { ...inChannels(x, size), size },
      false,
    ),
  ],
];

export function patchesBackward(walk: Walk, { size, x, out }: NodeOf<'patches'>): Phase[] {
  if (!walk.wants(x)) return [];
  const add = walk.accumulates(x);
  const views = [walk.gradient(x), walk.gradient(out)] as const;
  return [[patchCall(walk, 'fromPatches', views, { ...inChannels(x, size), size }, add)]];
}

export const pixelsForward = (walk: Walk, { size, x, out }: NodeOf<'pixels'>): Phase[] => [
  [
    patchCall(
      walk,
      'fromPatches',
      [walk.view(out), walk.view(x)],
      { ...inPixels(out), size },
      false,
    ),
  ],
];

export function pixelsBackward(walk: Walk, { size, x, out }: NodeOf<'pixels'>): Phase[] {
  const add = walk.accumulates(x);
  const views = [walk.gradient(x), walk.gradient(out)] as const;
  return [[patchCall(walk, 'toPatches', views, { ...inPixels(out), size }, add)]];
}

export function positionsForward(walk: Walk, { x, out }: NodeOf<'positions'>): Phase[] {
  const [y, from] = [walk.view(out), walk.view(x)];
  const table = walk.kept(tableName(out.id)) ?? NULL;
  const args = tuple(...strided(y), ...strided(from), table, pixels(y), y.channels);
  return [[call('addPositions', args, walk.batch * pixels(y))]];
}
