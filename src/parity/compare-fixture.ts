import { UsageError } from '../errors.js';
import type { Group } from './compare.js';
import { compareNoising, compareTrajectory } from './diffusion.js';
import type { Fixture } from './fixture.js';
import { comparePasses } from './passes.js';
import { compareSchedule } from './schedule.js';
import { compareSchedulers, hasSchedulers } from './schedulers.js';
import type { Subject } from './subject.js';
import { compareUnet2d, isUnet2d } from './unet2d.js';

/**
 * Compares every group of values in a fixture.
 * @throws UsageError for a fixture without any, or whose tensors do not match.
 */
export async function compareFixture(fixture: Fixture, subject: Subject): Promise<Group[]> {
  const groups: (Group | null)[] = [...compareSchedule(fixture)];
  if (hasSchedulers(fixture)) groups.push(...compareSchedulers(fixture, subject));
  if (isUnet2d(fixture)) groups.push(...(await compareUnet2d(fixture, subject)));
  if (fixture.has('xt') && fixture.has('x0')) groups.push(await compareNoising(fixture, subject));
  if (hasPasses(fixture)) groups.push(...(await comparePasses(fixture, subject)));
  if (fixture.has('sample/trajectory')) groups.push(await compareTrajectory(fixture, subject));
  const found = groups.filter((group) => group !== null);
  if (found.length === 0)
    throw new UsageError(
      `${fixture.path}: expected a group of values to compare (schedule tables, xt, eps_eval, eps_train, ` +
        'grad/*, state1/*, losses, sample/trajectory; out and loss with a config; cases of schedulers), got none',
    );
  return found;
}

const hasPasses = (fixture: Fixture): boolean =>
  !isUnet2d(fixture) &&
  (['eps_eval', 'eps_train', 'losses'].some((name) => fixture.has(name)) ||
    ['grad', 'state1'].some((prefix) => fixture.below(prefix).size > 0));
