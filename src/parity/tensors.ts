import { UsageError } from '../errors.js';
import { printable } from '../printable.js';
import { isDiffusersNetwork } from './diffusers-network.js';
import type { Fixture } from './fixture.js';
import { TABLE_NAMES } from './schedule.js';
import { schedulerTensors } from './schedulers.js';

/*
 * Which tensors a fixture may have, and which it must. A tensor that nothing reads would look as if it had been compared and
 * held: one with a misspelt name, or one that is left out of its group.
 */

/** x_t from x_0, and a trajectory of samples: in files of any network. */
const EITHER = ['x0', 't', 'noise', 'xt', 'sample/t', 'sample/noise', 'sample/trajectory'];
const PASSES = ['eps_eval', 'eps_train', 'losses'];
const OF_DIFFUSERS = ['x', 'label', 'target', 'out', 'loss', 'losses'];
/** One tensor for each of the network's, below these. */
const OF_NETWORK = /^(state0|state1|grad)\//;

/** @throws UsageError for a tensor that no comparison reads, and for a group without some of its tensors */
export function checkTensors(fixture: Fixture): void {
  refuseUnknown(fixture);
  refuseIncomplete(fixture, 'grad', (name) => !isBuffer(name));
  refuseIncomplete(fixture, 'state1', () => true);
  const { path } = fixture;
  if (fixture.below('state1').size > 0 && fixture.below('grad').size === 0)
    throw new UsageError(
      `${path}: grad/*: expected the gradients, from which the tolerance of state1/* follows, got none`,
    );
}

function refuseUnknown(fixture: Fixture): void {
  const known = new Set([
    ...TABLE_NAMES,
    ...EITHER,
    ...(isDiffusersNetwork(fixture) ? OF_DIFFUSERS : PASSES),
    ...schedulerTensors(fixture),
  ]);
  const names = [...fixture.tensors.keys()];
  const unknown = names.filter((name) => !known.has(name) && !OF_NETWORK.test(name));
  // A file of something else altogether is told what is compared, in place of its first name.
  if (unknown.length === 0 || unknown.length === names.length) return;
  const others = unknown.length > 1 ? `, nor ${unknown.length - 1} others` : '';
  throw new UsageError(
    `${fixture.path}: ${printable(unknown[0]!)}: expected only tensors that are compared or computed from, ` +
      `got this one, which nothing reads${others}`,
  );
}

/** A group has a tensor for each of state0's that `belongs` to it, or none at all. */
function refuseIncomplete(
  fixture: Fixture,
  group: string,
  belongs: (name: string) => boolean,
): void {
  const found = fixture.below(group);
  if (found.size === 0) return;
  const missing = [...fixture.below('state0').keys()].find(
    (name) => belongs(name) && !found.has(name),
  );
  if (missing !== undefined)
    throw new UsageError(
      `${fixture.path}: ${printable(`${group}/${missing}`)}: expected a tensor with this name, ` +
        `as for the other tensors of state0, got none`,
    );
}

/** What a batch norm counts and averages, which has no gradient. */
const isBuffer = (name: string): boolean =>
  /\.(running_(mean|var)|num_batches_tracked)$/.test(name);
