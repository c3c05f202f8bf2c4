import { realpath } from 'node:fs/promises';
import { sep } from 'node:path';
import { UsageError } from '../errors.js';

/**
 * The real path of an entry of a folder, whose own real path is given. Links are followed, but may not lead out of it.
 * @throws UsageError for a path outside; the system's error if it does not exist
 */
export async function inside(root: string, path: string): Promise<string> {
  const real = await realpath(path);
  if (real === root || real.startsWith(root.endsWith(sep) ? root : root + sep)) return real;
  throw new UsageError(`${path}: expected something in the watched folder, got a link out of it`);
}
