import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { type Install, readManifest } from '../locate.js';

/**
 * Finished set-ups beside this one and of its kind, sorted: those of other wheels or of another recipe, which other versions of Haze
 * made. Each takes up to 5.6 GB.
 */
export async function otherSetups({ folder, origin }: Install): Promise<string[]> {
  const root = path.dirname(folder);
  const folders = (await readdir(root)).sort().map((name) => path.join(root, name));
  return folders.filter((other) => other !== folder && readManifest(other)?.kind === origin);
}
