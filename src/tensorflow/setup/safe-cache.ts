/**
 * Native code is loaded from the cache, so nobody but the user may be able to put any there: each folder on the path to it must
 * belong to the user (or to root), and no one else may write to it.
 */
import { type Stats, statSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../../errors.js';
import { shellWord } from '../../shell-word.js';

/** What is unsafe on a file's path in the cache, and how to fix it. */
export interface Danger {
  readonly what: string;
  readonly fix: string;
}

/**
 * Checks the cache folder and every folder from there to `file`; missing ones are skipped, and so is a file elsewhere.
 * A folder that is closed to others ends the check: everything below it is out of their reach.
 * @param user the user's id; undefined if the system has none
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
    const entry = statsOf(at);
    if (!entry) return undefined;
    if (entry.uid !== user && entry.uid !== 0)
      return {
        what: `${at} belongs to another user (${entry.uid}, and you are ${user})`,
        fix: 'set HAZE_CACHE to a folder of your own',
      };
    if (entry.mode & 0o022)
      return {
        what: `others may write to ${at} (mode ${(entry.mode & 0o7777).toString(8)})`,
        fix: `check its contents, then run chmod -R go-w ${shellWord(cache)}`,
      };
    if (entry.isDirectory() && !(entry.mode & 0o011)) return undefined;
  }
  return undefined;
}

/** Undefined for what is missing, lies under a file or cannot be reached: nothing can be loaded from there. */
function statsOf(at: string): Stats | undefined {
  try {
    return statSync(at);
  } catch {
    return undefined;
  }
}

/** @throws UsageError for a file in the cache that is not safe from others */
export function refuseUnsafe(cache: string, file: string): void {
  const danger = dangerOf(cache, file);
  if (danger)
    throw new UsageError(
      `tensorflow: ${danger.what}, and native code is loaded from there; ${danger.fix}`,
    );
}
