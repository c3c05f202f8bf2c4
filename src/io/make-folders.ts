import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from './atomic.js';

/**
 * Makes a folder and those above it that are missing. Resolves to the topmost that had to be made, or undefined if all
 * were there. Node's own `recursive` never ends where a system says that there is no such file although the folder above
 * is there, as Linux does in /proc.
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

/** What systems say of a folder that is there, or of the root. */
const IS_THERE: ReadonlySet<string | undefined> = new Set(['EEXIST', 'EISDIR', 'EPERM']);

/** One folder, which another process may be making too: resolves to whether it had to be made, or why it cannot be. */
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
