import { UsageError } from '../errors.js';
import type { Group } from './compare.js';
import { compareDiffusersNetwork, isDiffusersNetwork } from './diffusers-network.js';
import { compareNoising, compareTrajectory } from './diffusion.js';
import type { Fixture } from './fixture.js';
import { comparePasses, hasPasses } from './passes.js';
import { compareSchedule } from './schedule.js';
import { compareSchedulers, hasSchedulers } from './schedulers.js';
import type { Subject } from './subject.js';
import { checkTensors } from './tensors.js';

/**
 * Compares every group of values in a fixture.
 * @throws UsageError for a fixture without any, or whose tensors do not match.
 */
export async function compareFixture(fixture: Fixture, subject: Subject): Promise<Group[]> {
  checkTensors(fixture);
  const passes = !isDiffusersNetwork(fixture) && hasPasses(fixture);
  const groups: (Group | null)[] = [...compareSchedule(fixture)];
  if (hasSchedulers(fixture)) groups.push(...compareSchedulers(fixture, subject));
  if (isDiffusersNetwork(fixture))
    groups.push(...(await compareDiffusersNetwork(fixture, subject)));
  // Passes have x_t among their inputs; elsewhere it is there to be compared.
  if (fixture.has('x0') || (fixture.has('xt') && !passes))
    groups.push(await compareNoising(fixture, subject));
  if (passes) groups.push(...(await comparePasses(fixture, subject)));
  if (fixture.below('sample').size > 0) groups.push(await compareTrajectory(fixture, subject));
  const found = groups.filter((group) => group !== null);
  if (found.length === 0)
    throw new UsageError(
      `${fixture.path}: expected a group of values to compare (schedule tables, xt, eps_eval, eps_train, ` +
        'grad/*, state1/*, losses, sample/trajectory; out and loss with a config; cases of schedulers), got none',
    );
  return found;
}
