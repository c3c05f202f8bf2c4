import type { NodeOf, Value } from '../../network/graph.js';
import { NULL, plusFloats } from '../pointer.js';
import { call, type Phase, tuple } from '../program.js';
import { paddedChannels, pixels, slice, strided, type View } from '../tensors.js';
import { pass } from './pass.js';
import { blocksOf, joinSums } from './sums.js';
import type { Walk } from './walk.js';

/** What parts of a vector scale, shift or gate, forward and backward. */

type AdaNorm = NodeOf<'adaNorm'>;

/** A part of a divided vector. */
function partOf(view: View, { parts }: Value, part: number): View {
  const first = paddedChannels(parts.slice(0, part));
  return slice(view, first, paddedChannels([parts[part]!]));
}

export function adaNormForward(walk: Walk, step: AdaNorm): Phase[] {
  const { by, shift, scale, eps } = step;
  const [x, y, vector] = [walk.view(step.x), walk.view(step.out), walk.view(by)];
  const rows = walk.batch * pixels(x);
  const saved = walk.memory.shape.training ? walk.floats(savedName(step), 2 * rows) : NULL;
  const [add, factor] = [partOf(vector, by, shift), partOf(vector, by, scale)];
  const args = tuple(
    ...tuple(...strided(y), saved, ...strided(x), add.at, factor.at, vector.stride),
    ...tuple(pixels(x), x.channels, step.x.channels, eps),
  );
  return [[call('adaNorm', args, rows)]];
}

/** In place if nothing else reads x. */
export function adaNormBackward(walk: Walk, step: AdaNorm): Phase[] {
  const { by, shift, scale } = step;
  const [x, vector, dy] = [walk.view(step.x), walk.view(by), walk.gradient(step.out)];
  const c = x.channels;
  const blocks = blocksOf(x);
  const saved = walk.floats(savedName(step), 2 * walk.batch * pixels(x));
  const partial = walk.scratch('partial', 8 * walk.batch * blocks * c);
  // Parts are read once each, so that nothing is added to what others wrote.
  walk.accumulates(by);
  const sums = walk.gradient(by);
  walk.takesOver(step.x, step.out);
  const add = walk.accumulates(step.x);
  const args = tuple(
    ...tuple(...strided(walk.gradient(step.x)), partial, ...strided(dy), ...strided(x)),
    ...tuple(partOf(vector, by, scale).at, vector.stride, saved),
    ...tuple(pixels(x), c, step.x.channels, add),
  );
  return [
    [call('adaNormBackward', args, walk.batch * blocks)],
    [
      joinSums(walk, partOf(sums, by, scale), partial, blocks, 2 * c),
      joinSums(walk, partOf(sums, by, shift), plusFloats(partial, c), blocks, 2 * c),
    ],
  ];
}

const savedName = ({ out }: AdaNorm): string => `saved ${out.id}`;

export function gateForward(walk: Walk, { a, x, by, gate, out }: NodeOf<'gate'>): Phase[] {
  const [y, base, from] = [walk.view(out), walk.view(a), walk.view(x)];
  const args = tuple(
    ...tuple(...strided(y), ...strided(base), ...strided(from)),
    ...tuple(...strided(partOf(walk.view(by), by, gate)), pixels(y), y.channels),
  );
  return [[call('gate', args, walk.batch * pixels(y))]];
}

export function gateBackward(walk: Walk, { a, x, by, gate, out }: NodeOf<'gate'>): Phase[] {
  const dy = walk.gradient(out);
  const { channels } = dy;
  const blocks = blocksOf(dy);
  const partial = walk.scratch('partial', 4 * walk.batch * blocks * channels);
  walk.accumulates(by);
  const add = walk.accumulates(x);
  const [dx, from] = [walk.gradient(x), walk.view(x)];
  const args = tuple(
    ...tuple(...strided(dx), partial, ...strided(dy), ...strided(from)),
    ...tuple(...strided(partOf(walk.view(by), by, gate)), pixels(dy), channels, add),
  );
  const sums = partOf(walk.gradient(by), by, gate);
  return [
    [call('gateBackward', args, walk.batch * blocks)],
    [joinSums(walk, sums, partial, blocks, channels)],
    // Last, since it may reuse the buffer.
    ...pass(walk, a, out),
  ];
}
