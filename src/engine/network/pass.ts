import type { Value } from '../../network/graph.js';
import type { Phase } from '../program.js';
import { copyCall } from './convolve.js';
import type { Walk } from './walk.js';

/** The gradient of x is that of out: it reuses the buffer, or is copied or added. */
export function pass(walk: Walk, x: Value, out: Value): Phase[] {
  if (!walk.wants(x)) return [];
  const takes = walk.takesOver(x, out);
  const add = walk.accumulates(x);
  return takes ? [] : [[copyCall(walk, walk.gradient(x), walk.gradient(out), add)]];
}
