/** The pictures of a run that the page shows: those in its folder, and its sample grids by step. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { extensionOf } from '../io/output-path.js';
import { inside } from './inside.js';
import type { Picture } from './messages.js';

/** Formats that cannot contain scripts, as SVG can. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ['.png', 'image/png'],
  ['.gif', 'image/gif'],
  ['.jpg', 'image/jpeg'],
  ['.jpeg', 'image/jpeg'],
  ['.webp', 'image/webp'],
]);

/** The largest number of pictures listed, and the one that is left out since the page draws the losses itself. */
const MOST = 50;
const DRAWN = 'loss.png';

/**
 * Milliseconds without a change after which a folder's listing is reused: clocks of file systems are coarse, so two changes may have the
 * same time.
 */
const SETTLED = 5000;

/** The media type of a picture by its name; undefined for other files, hidden ones, and names that are paths on some system. */
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

/** The sample grids by step, ascending. The files are read again only if their folder has changed, since there may be thousands. */
export class Grids {
  private readonly root: string;
  private readonly folder: string;
  private found: readonly Grid[] = [];
  /** The folder's time of change when it was listed; NaN if more changes may have the same time. */
  private listed = Number.NaN;

  constructor(root: string, folder: string) {
    this.root = root;
    this.folder = folder;
  }

  /** @throws the system's error if there is no folder; UsageError for a link out of the run */
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

/** The time of a file's last write; undefined if it is not a file, or not inside the run. */
async function versionOf(root: string, path: string): Promise<number | undefined> {
  try {
    const stats = await stat(await inside(root, path));
    return stats.isFile() ? Math.round(stats.mtimeMs) : undefined;
  } catch {
    return undefined;
  }
}
