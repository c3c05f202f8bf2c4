import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { UsageError } from '../errors.js';
import { inside } from './inside.js';
import type { RunList } from './messages.js';
import { WatchedRun } from './watched-run.js';

/** Milliseconds between two requests of a page. */
const INTERVAL = 1000;

/** The largest number of runs shown from a folder: the newest ones. */
const MOST_RUNS = 500;

/** The runs that a server shows: one, or all in a folder. Requests name runs, so no path comes from a request. */
export class WatchedRuns {
  private readonly place: string;
  /** The folder's real path; undefined while there is none. */
  private root: string | undefined;
  private readonly single: boolean;
  private readonly known = new Map<string, WatchedRun>();

  private constructor(place: string, root: string | undefined, single: boolean) {
    this.place = place;
    this.root = root;
    this.single = single;
  }

  /**
   * Opens a run, or a folder of runs.
   * @throws UsageError if the path is neither
   */
  static async open(place: string): Promise<WatchedRuns> {
    const root = await realpath(place).catch(() => undefined);
    const single = await isRun(place);
    const runs = new WatchedRuns(place, root, single);
    if (root === undefined)
      throw new UsageError(`${place}: expected a run or a folder of runs, got nothing there`);
    if (!single && (await runs.list()).runs.length === 0)
      throw new UsageError(
        `${place}: expected a run (a folder with config.json) or a folder of runs, got neither`,
      );
    return runs;
  }

  /** A single run, whose folder need not exist yet. */
  static ofRun(place: string): WatchedRuns {
    return new WatchedRuns(place, undefined, true);
  }

  /** All current runs, and the deleted ones that were shown before. */
  async list(): Promise<RunList> {
    const { place, single } = this;
    const runs = single ? [basename(resolve(place))] : await this.names();
    return { place, single, runs, interval: INTERVAL };
  }

  /** The run with this name; undefined if there is none. */
  async find(name: string): Promise<WatchedRun | undefined> {
    const found = this.known.get(name);
    if (found) return found;
    const { runs } = await this.list();
    if (!runs.includes(name)) return undefined;
    this.root ??= await realpath(this.place).catch(() => undefined);
    // Another request may have opened it meanwhile.
    const other = this.known.get(name);
    if (other) return other;
    // A run without a folder is not kept, since its real path is not known yet.
    const root = this.root ?? resolve(this.place);
    const run = new WatchedRun(root, this.single ? root : join(root, name), name);
    if (this.root !== undefined) this.known.set(name, run);
    return run;
  }

  private async names(): Promise<string[]> {
    const { root } = this;
    if (root === undefined) return [];
    const entries = await readdir(root).catch(() => []);
    const found = await Promise.all(
      entries.map(async (name) => ({ name, time: await timeOf(root, name) })),
    );
    const there = found.filter(({ time }) => time !== undefined).map(({ name }) => name);
    const gone = [...this.known.keys()].filter((name) => !there.includes(name));
    const times = new Map(found.map(({ name, time }) => [name, time ?? 0]));
    return [...there, ...gone]
      .sort((a, b) => (times.get(b) ?? 0) - (times.get(a) ?? 0) || (a < b ? -1 : 1))
      .slice(0, MOST_RUNS);
  }
}

/** When a run in the folder was started or resumed; undefined if it is not a run, or lies outside. */
async function timeOf(root: string, name: string): Promise<number | undefined> {
  try {
    const config = await inside(root, join(root, name, 'config.json'));
    const stats = await stat(config);
    return stats.isFile() ? stats.mtimeMs : undefined;
  } catch {
    return undefined;
  }
}

const isRun = async (place: string): Promise<boolean> =>
  (await stat(join(place, 'config.json')).catch(() => undefined))?.isFile() ?? false;
