/** Where latents are kept: in Haze's cache, for other runs over the same pictures, or else in a temporary file. */
import { utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunError } from '../errors.js';
import { remove } from '../io/atomic.js';
import { cacheFolder } from '../io/cache-folder.js';
import { temporaryPath } from '../io/temporary.js';
import { tidyFolder } from '../io/tidy-folder.js';
import { LatentsFile, writeLatents } from './latents-file.js';

/** Days after which unused latents are removed. */
const KEPT_DAYS = 30;

/** Latents in a file. */
export interface StoredLatents {
  readonly file: LatentsFile;
  /** Closes the file; a temporary one is gone then. */
  close(): Promise<void>;
}

/** Files of latents by key; several processes may use the same ones. */
export class LatentStore {
  readonly #folder: string;
  readonly #isTemporary: boolean;

  private constructor(folder: string, isTemporary: boolean) {
    this.#folder = folder;
    this.#isTemporary = isTemporary;
  }

  /**
   * Opens the store in a folder, and removes what has not been used for 30 days.
   * @param onWarning told of a folder that cannot be written; latents are then in files that are gone when they are closed
   */
  static async open(
    onWarning: (text: string) => void,
    folder = join(cacheFolder(), 'latents'),
  ): Promise<LatentStore> {
    try {
      await tidyFolder(folder, KEPT_DAYS);
      return new LatentStore(folder, false);
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      onWarning(`${error.message}; latents are not kept for other runs (HAZE_CACHE moves them)`);
      return new LatentStore(folder, true);
    }
  }

  /** The latents of a key, if they are there, and sound. */
  async find(key: string, values: number): Promise<StoredLatents | undefined> {
    const path = this.#pathOf(key);
    const now = new Date();
    await utimes(path, now, now).catch(() => undefined);
    const file = await LatentsFile.open(path, values);
    return file && { file, close: () => file.close() };
  }

  /**
   * Writes the latents of a key, in place of damaged ones.
   * @throws RunError if they cannot be written; errors of `parts`
   */
  async make(
    key: string,
    values: number,
    parts: AsyncIterable<Float32Array>,
  ): Promise<StoredLatents> {
    const path = this.#isTemporary
      ? temporaryPath(join(tmpdir(), 'haze-latents'))
      : this.#pathOf(key);
    await writeLatents(path, parts).catch((error: unknown) => {
      const full = error instanceof RunError && error.message.startsWith(`cannot write ${path}`);
      if (!full || this.#isTemporary) throw error;
      throw new RunError(`${error.message}; HAZE_CACHE moves this cache`, { cause: error });
    });
    const file = await LatentsFile.open(path, values);
    if (!file) throw new RunError(`${path}: changed after it was written`);
    if (!this.#isTemporary) return { file, close: () => file.close() };
    // An open file stays until it is closed, and not longer, however the process ends; not on every system.
    const gone = () => remove(path).catch(() => undefined);
    await gone();
    return { file, close: () => file.close().then(gone) };
  }

  #pathOf(key: string): string {
    return join(this.#folder, `${key}.latents`);
  }
}
