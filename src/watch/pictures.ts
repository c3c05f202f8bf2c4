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

/**
 * Milliseconds for which a folder has to have been left alone before its listing is believed: clocks of file systems are coarse, and
 * two changes may bear one time.
 */
const SETTLED = 5000;

/** The media type of a picture's name; undefined for what is none, is hidden, or is no plain name on some system. */
export const pictureType = (name: string): string | undefined =>
  name.startsWith('.') || /[/\\\0]/.test(name) ? undefined : TYPES.get(extensionOf(name));

/** Pictures beside a run's config.json: film strips, samples. */
export async function picturesIn(root: string, folder: string): Promise<Picture[]> {
  const names = (await readdir(await inside(root, folder)))
    .filter((name) => pictureType(name) !== undefined && name !== DRAWN)
    .sort()
    .slice(0, MOST);
  const found = await Promise.all(
    names.map(async (name) => ({ name, version: await versionOf(root, join(folder, name)) })),
  );
  return found.filter((picture): picture is Picture => picture.version !== undefined);
}

/** The step of a grid, and a number that changes with its content. */
export type Grid = readonly [step: number, version: number];

/** The grids of images by step, rising. Of thousands each is looked at again only when something in their folder was renamed. */
export class Grids {
  private readonly root: string;
  private readonly folder: string;
  private found: readonly Grid[] = [];
  /** When the folder had last changed as it was listed; NaN where that may be no more than its first change. */
  private listed = Number.NaN;

  constructor(root: string, folder: string) {
    this.root = root;
    this.folder = folder;
  }

  /** @throws the system's error where there is no folder; UsageError for a link out */
  async follow(): Promise<readonly Grid[]> {
    const { mtimeMs } = await stat(await inside(this.root, this.folder));
    if (mtimeMs === this.listed) return this.found;
    this.found = await gridsIn(this.root, this.folder);
    this.listed = Date.now() - mtimeMs > SETTLED ? mtimeMs : Number.NaN;
    return this.found;
  }
}

async function gridsIn(root: string, folder: string): Promise<Grid[]> {
  const steps = (await readdir(folder))
    .map((name) => Number(/^step-(\d{1,15})\.png$/.exec(name)?.[1] ?? Number.NaN))
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  const found: Grid[] = [];
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
