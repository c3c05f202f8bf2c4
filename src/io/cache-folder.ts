/** The folder for data that Haze can make or fetch again: in the user's cache, shared by all clones. */
import os from 'node:os';
import path from 'node:path';

/** `HAZE_CACHE`, else `$XDG_CACHE_HOME/haze`, else `~/.cache/haze`. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.HAZE_CACHE) return path.resolve(env.HAZE_CACHE);
  const xdg = env.XDG_CACHE_HOME;
  const base = xdg && path.isAbsolute(xdg) ? xdg : path.join(os.homedir(), '.cache');
  return path.join(base, 'haze');
}
