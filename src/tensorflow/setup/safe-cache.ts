/**
 * Native code is loaded from the cache, so nobody but the user may be able to put any there: each folder on the way to it belongs
 * to the user (or to root), and no one else may write to it.
 */
import { statSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../../errors.js';
import { shellWord } from '../../shell-word.js';

/** What is wrong with a file's way into the cache, and what mends it. */
export interface Danger {
  readonly what: string;
  readonly mend: string;
}

/**
 * Looks at the cache folder and at all on the way from there to `file`; what is not there is not looked at, nor a file elsewhere.
 * A folder that is closed to others ends the search: whatever is below is out of their reach.
 * @param user the user's number; undefined where the system has none
 */
export function dangerOf(
  cache: string,
  file: string,
  user: number | undefined = process.getuid?.(),
): Danger | undefined {
  const inside = path.relative(cache, file);
  if (user === undefined || inside.startsWith('..') || path.isAbsolute(inside)) return undefined;
  let at = cache;
  for (const name of ['', ...inside.split(path.sep)]) {
    at = path.join(at, name);
    const entry = statSync(at, { throwIfNoEntry: false });
    if (!entry) return undefined;
    if (entry.uid !== user && entry.uid !== 0)
      return {
        what: `${at} belongs to another user (${entry.uid}, and you are ${user})`,
        mend: 'name a folder of your own in HAZE_CACHE',
      };
    if (entry.mode & 0o022)
      return {
        what: `others may write to ${at} (mode ${(entry.mode & 0o7777).toString(8)})`,
        mend: `look at what is in it, then run chmod -R go-w ${shellWord(cache)}`,
      };
    if (entry.isDirectory() && !(entry.mode & 0o011)) return undefined;
  }
  return undefined;
}

/** @throws UsageError for a file in the cache that is not safe from others */
export function refuseUnsafe(cache: string, file: string): void {
  const danger = dangerOf(cache, file);
  if (danger)
    throw new UsageError(
      `tensorflow: ${danger.what}, and native code is loaded from there; ${danger.mend}`,
    );
}
