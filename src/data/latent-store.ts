/** Where latents are kept: in Haze's cache, for other runs over the same pictures, or else in a temporary file. */
import { copyFile, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RunError } from '../errors.js';
import { asRunError, remove, syncFolder } from '../io/atomic.js';
import { cacheFolder } from '../io/cache-folder.js';
import { type Lock, tryLock } from '../io/lock.js';
import { moveOver } from '../io/rename.js';
import { temporaryPath } from '../io/temporary.js';
import { tidyFolder } from '../io/tidy-folder.js';
import { LatentsFile, type Layout } from './latents-file.js';
import { type LatentsFrom, Unwritable, writeLatents } from './latents-writer.js';

/** Days after which unused latents are removed. */
const KEPT_DAYS = 30;

/** Milliseconds between two looks at latents that another process makes. */
const AGAIN = 200;

/** Digits of a key in the name of its lock. */
const DIGITS = 16;

/** Latents in a file. */
export interface StoredLatents {
  readonly file: LatentsFile;
  /** Closes the file; a temporary one is gone then. */
  close(): Promise<void>;
}

/** How latents are made. */
export interface Making {
  readonly from: LatentsFrom;
  readonly signal?: AbortSignal | undefined;
  /** Called if another process is making them, which is waited for. */
  readonly onWait?: (() => void) | undefined;
}

/** Files of latents by key; several processes may use the same ones. */
export class LatentStore {
  readonly #folder: string;
  readonly #onWarning: (text: string) => void;
  #keeps = true;

  private constructor(folder: string, onWarning: (text: string) => void) {
    this.#folder = folder;
    this.#onWarning = onWarning;
  }

  /**
   * Opens the store in a folder, and removes what has not been used for 30 days.
   * @param onWarning told of what cannot be written there; latents are then in files that are gone when they are closed
   */
  static async open(
    onWarning: (text: string) => void,
    folder = join(cacheFolder(), 'latents'),
  ): Promise<LatentStore> {
    const store = new LatentStore(folder, onWarning);
    await tidyFolder(folder, KEPT_DAYS).catch((error: unknown) => {
      if (!(error instanceof RunError)) throw error;
      store.#giveUp(error);
    });
    return store;
  }

  /** Whether latents are kept, also those of a key that are not all made yet. */
  get keeps(): boolean {
    return this.#keeps;
  }

  /** The latents of a key, if they are there, and sound. */
  async find(key: string, layout: Layout): Promise<StoredLatents | undefined> {
    const path = this.#pathOf(key);
    const now = new Date();
    await utimes(path, now, now).catch(() => undefined);
    return openStored(path, layout);
  }

  /**
   * Makes the latents of a key, in place of damaged ones. If it fails, pieces that are whole are kept, for the next call to go on
   * from, in this process or another.
   * @throws RunError if they can be written neither to the folder nor to a temporary file; errors of `making`
   */
  async make(key: string, layout: Layout, making: Making): Promise<StoredLatents> {
    if (!this.#keeps) return makeTemporary(layout, making);
    const lock = await this.#lock(key, making);
    try {
      // Another process may have made them.
      return (await this.find(key, layout)) ?? (await this.#makeKept(key, layout, making));
    } finally {
      lock.release();
    }
  }

  async #makeKept(key: string, layout: Layout, making: Making): Promise<StoredLatents> {
    const part = join(this.#folder, `${key}.part`);
    try {
      await writeLatents(part, layout, making.from);
    } catch (error) {
      if (!(error instanceof Unwritable)) throw error;
      this.#giveUp(error);
      const stored = await makeTemporary(layout, making, part);
      await remove(part).catch(() => undefined);
      return stored;
    }
    const path = this.#pathOf(key);
    const place = await this.#move(part, path);
    const stored = await openStored(place, layout);
    if (!stored) throw changed(place);
    return stored;
  }

  /** Resolves to where the file is then. */
  async #move(part: string, path: string): Promise<string> {
    try {
      await moveOver(part, path);
    } catch (error) {
      this.#onWarning(`${messageOf(asRunError(path, error))}; latents stay in ${part}`);
      return part;
    }
    await syncFolder(this.#folder).catch(() => undefined);
    return path;
  }

  /** The right to write the latents of a key. @throws the reason with which the signal was aborted */
  async #lock(key: string, { signal, onWait }: Making): Promise<Lock> {
    const target = { path: this.#folder, use: `latents ${key.slice(0, DIGITS)}` };
    for (let isFirst = true; ; isFirst = false) {
      signal?.throwIfAborted();
      const lock = await tryLock(target);
      if (lock) return lock;
      if (isFirst) onWait?.();
      await sleep(AGAIN);
    }
  }

  /** From now on latents are in temporary files. */
  #giveUp(error: RunError): void {
    this.#keeps = false;
    this.#onWarning(
      `${error.message}; latents are not kept for other runs (HAZE_CACHE moves them)`,
    );
  }

  #pathOf(key: string): string {
    return join(this.#folder, `${key}.latents`);
  }
}

/** @param begun a file that holds some of them, if it can be read */
async function makeTemporary(
  layout: Layout,
  { from }: Making,
  begun?: string,
): Promise<StoredLatents> {
  const path = temporaryPath(join(tmpdir(), 'haze-latents'));
  const gone = () => remove(path).catch(() => undefined);
  try {
    if (begun !== undefined) await copyFile(begun, path).catch(gone);
    await writeLatents(path, layout, from);
  } catch (error) {
    await gone();
    if (!(error instanceof Unwritable)) throw error;
    throw new RunError(`${error.message}; HAZE_CACHE moves latents to another disk`, {
      cause: error,
    });
  }
  const stored = await openStored(path, layout);
  // An open file stays until it is closed, and not longer, however the process ends; not on every system.
  await gone();
  if (!stored) throw changed(path);
  return { file: stored.file, close: () => stored.close().then(gone) };
}

async function openStored(path: string, layout: Layout): Promise<StoredLatents | undefined> {
  const file = await LatentsFile.open(path, layout);
  return file && { file, close: () => file.close() };
}

const changed = (path: string) => new RunError(`${path}: changed after it was written`);

const messageOf = (error: unknown): string => (error as Error).message;
