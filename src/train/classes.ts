/** Determines the classes of a run's images, once these are listed. */
import { withClassNames } from '../config/classes.js';
import type { RunConfig } from '../config/config.js';
import {
  among,
  type Classes,
  checkNotNone,
  checkSeveral,
  requireClasses,
} from '../data/classes.js';
import type { Aside } from '../data/held-out.js';
import { listNames } from '../data/list-names.js';
import { UsageError } from '../errors.js';
import type { ListedData } from './open-data.js';

/** A run with named classes, and its images with the class of each. */
export interface Classified {
  readonly config: RunConfig;
  readonly listed: ListedData;
}

/**
 * Determines the classes that a run's config requests.
 * @throws UsageError for data without classes, with only one, with one named none, or with others than a resumed run's
 */
export async function classify(config: RunConfig, listed: ListedData): Promise<Classified> {
  const wanted = config.data.classes;
  if (!wanted) return { config, listed };
  const { source, aside } = listed;
  const by = source.classesBy ?? 'labels';
  if (source.classes && wanted.by !== 'auto' && wanted.by !== by)
    throw new UsageError(`--classes: ${source.name} has classes by ${by}, got ${wanted.by}`);
  const own = await requireClasses('--classes', source);
  checkSeveral(`--classes: ${source.name}`, own);
  const { names } = wanted;
  // A run that has such a class already may go on.
  if (names.length === 0) checkNotNone(`--classes: ${source.name}`, own);
  const classes = names.length === 0 ? own : sameClasses(source.name, own, names);
  return {
    config: withClassNames(config, by, classes.names),
    listed: { source, classes, aside: await asideOf(aside, classes.names) },
  };
}

/** Of images in other files, which must have the same classes. */
async function asideOf(aside: Aside | null, names: readonly string[]): Promise<Aside | null> {
  if (!aside || !('source' in aside)) return aside;
  const own = await requireClasses('--held-out', aside.source);
  return { ...aside, classes: among(`--held-out: ${aside.source.name}`, own, names) };
}

/** @throws UsageError if a run was begun with other classes, so that labels would change their meaning */
function sameClasses(name: string, own: Classes, before: readonly string[]): Classes {
  if (own.names.length === before.length && own.names.every((n, i) => n === before[i])) return own;
  throw new UsageError(
    `--classes: ${name} has ${listNames(own.names)}, but the run was begun with ${listNames(before)}; a resume may not change them`,
  );
}
