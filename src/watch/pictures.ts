/** The pictures of a run that are shown: those of its own folder, and its grids by step. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { extensionOf } from '../io/output-path.js';
import { inside } from './inside.js';
import type { Picture } from './messages.js';

/** What browsers draw without running anything in it: SVG may hold scripts. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ['.png', 'image/png'],
  ['.gif', 'image/gif'],
  ['.jpg', 'image/jpeg'],
  ['.jpeg', 'image/jpeg'],
  ['.webp', 'image/webp'],
]);

/** Pictures of a folder that are listed; the page draws its losses itself. */
const MOST = 50;
const DRAWN = 'loss.png';

/** The media type of a picture's name; undefined for what is none. */
export const pictureType = (name: string): string | undefined => TYPES.get(extensionOf(name));

/** Pictures beside a run's config.json: film strips, samples. */
export async function picturesIn(root: string, folder: string): Promise<Picture[]> {
  const names = (await readdir(await inside(root, folder)))
    .filter((name) => pictureType(name) !== undefined && !name.startsWith('.') && name !== DRAWN)
    .sort()
    .slice(0, MOST);
  const found = await Promise.all(
    names.map(async (name) => ({ name, version: await versionOf(root, join(folder, name)) })),
  );
  return found.filter((picture): picture is Picture => picture.version !== undefined);
}

/** The grids of images by step, rising. */
export async function samplesIn(root: string, folder: string): Promise<[number, number][]> {
  const names = await readdir(await inside(root, folder)).catch(() => []);
  const steps = names
    .map((name) => Number(/^step-(\d{1,15})\.png$/.exec(name)?.[1] ?? Number.NaN))
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  const found: [number, number][] = [];
  for (const step of steps) {
    const version = await versionOf(root, join(folder, `step-${step}.png`));
    if (version !== undefined) found.push([step, version]);
  }
  return found;
}

/** When a file was written last; undefined for what is none, or lies elsewhere. */
async function versionOf(root: string, path: string): Promise<number | undefined> {
  try {
    const stats = await stat(await inside(root, path));
    return stats.isFile() ? Math.round(stats.mtimeMs) : undefined;
  } catch {
    return undefined;
  }
}
