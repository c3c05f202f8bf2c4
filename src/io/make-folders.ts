import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from './atomic.js';

/**
 * Makes a folder and its missing ancestors. Resolves to the topmost that was made, or undefined if all
 * existed. Node's own `recursive` never ends on a system that reports a missing file although the parent folder
 * exists, as Linux does in /proc.
 * @throws the system's error
 */
export async function makeFolders(path: string): Promise<string | undefined> {
  const first = await make(path);
  if ('made' in first) return first.made ? path : undefined;
  const above = dirname(path);
  if (systemCode(first.error) !== 'ENOENT' || above === path) throw first.error;
  const topmost = await makeFolders(above);
  const second = await make(path);
  if ('error' in second) throw second.error;
  return topmost ?? path;
}

/** Error codes for a folder that exists, or for the root. */
const IS_THERE: ReadonlySet<string | undefined> = new Set(['EEXIST', 'EISDIR', 'EPERM']);

/** Makes one folder, which another process may be making too: resolves to whether it was made, or why it cannot be. */
async function make(path: string): Promise<{ made: boolean } | { error: unknown }> {
  try {
    await mkdir(path);
    return { made: true };
  } catch (error) {
    if (!IS_THERE.has(systemCode(error))) return { error };
    const found = await stat(path).catch(() => undefined);
    return found?.isDirectory() ? { made: false } : { error };
  }
}
