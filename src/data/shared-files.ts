import { realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';

/** Whether two paths of images are the same, or one is in the other. */
export async function shareFiles(one: string, other: string): Promise<boolean> {
  // Images that the program draws have no path.
  const [a, b] = await Promise.all([one, other].map((path) => realpath(path).catch(() => path)));
  return holds(a!, b!) || holds(b!, a!);
}

/** Whether a path is a folder's own, or in it. */
const holds = (folder: string, path: string): boolean =>
  join(path, sep).startsWith(join(folder, sep));
