/** Files received through Redis, on this machine's disk: each by its hash, which is checked at each use. */
import { randomBytes } from 'node:crypto';
import { stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { RunError } from '../errors.js';
import { asRunError, remove } from '../io/atomic.js';
import { cacheFolder } from '../io/cache-folder.js';
import { hashFile } from '../io/hash.js';
import { makeFolders } from '../io/make-folders.js';
import { moveOver } from '../io/rename.js';
import { writeSafetensors } from '../io/safetensors.js';
import { tidyFolder } from '../io/tidy-folder.js';
import type { StateDict } from '../network/state.js';
import { type Blob, fetchBlob } from './blobs.js';

/** Days after which an unused file is removed. */
const KEPT_DAYS = 7;

/** Reads of a file that changes meanwhile. */
const ATTEMPTS = 3;

const hashOf = (path: string) => hashFile(path).catch(() => undefined);

/** Changes with every write to the file; undefined if there is none. */
async function stateOf(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found && [found.ino, found.size, found.mtimeNs, found.ctimeNs].join(':');
}

export class BlobCache {
  readonly folder: string;

  constructor(folder = join(cacheFolder(), 'weights')) {
    this.folder = folder;
  }

  /** Makes the folder, and removes files that have not been used for long. @throws RunError if it cannot be written */
  open(): Promise<void> {
    return tidyFolder(this.folder, KEPT_DAYS);
  }

  pathOf({ sha256 }: Blob): string {
    return join(this.folder, `${sha256}.safetensors`);
  }

  /** Puts weights into the cache. Equal weights are the same blob, whatever file they came from. */
  add(state: StateDict, metadata: Readonly<Record<string, string>> = {}): Promise<Blob> {
    return this.addFile((path) => writeSafetensors(path, state, metadata));
  }

  /** Adds a file to the cache, which `write` writes to the path that it receives. @throws RunError */
  async addFile(write: (path: string) => Promise<void>): Promise<Blob> {
    const fresh = this.fresh();
    try {
      // Somebody may have emptied the cache meanwhile.
      await makeFolders(this.folder);
      await write(fresh);
      const blob = { sha256: await hashFile(fresh), bytes: (await stat(fresh)).size };
      await moveOver(fresh, this.pathOf(blob));
      return blob;
    } catch (error) {
      await remove(fresh).catch(() => undefined);
      throw asRunError(this.folder, error);
    }
  }

  /** Removes a file that is no longer needed. */
  async drop(blob: Blob): Promise<void> {
    await remove(this.pathOf(blob)).catch(() => undefined);
  }

  /** The path of a blob's file, which is fetched if it is missing or damaged. @throws like `fetchBlob` */
  async file(redis: Redis, blob: Blob): Promise<string> {
    await this.check(redis, blob);
    return this.pathOf(blob);
  }

  /**
   * Reads a blob's file, which is fetched if it is missing or damaged, also if that happens while `read` runs.
   * @throws like `fetchBlob`; the errors of `read`; RunError for a file that changes again and again
   */
  async read<T>(redis: Redis, blob: Blob, read: (path: string) => Promise<T>): Promise<T> {
    const path = this.pathOf(blob);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const state = await this.check(redis, blob);
      const isSame = async () =>
        (await stateOf(path)) === state || (await hashOf(path)) === blob.sha256;
      try {
        const content = await read(path);
        if (await isSame()) return content;
      } catch (error) {
        if (await isSame()) throw error;
      }
    }
    throw new RunError(`${path}: changed while it was read, ${ATTEMPTS} times`);
  }

  /** Fetches a blob's file unless it is there, and sound. Resolves to its state before its bytes were checked. */
  private async check(redis: Redis, blob: Blob): Promise<string | undefined> {
    const path = this.pathOf(blob);
    const now = new Date();
    await utimes(path, now, now).catch(() => undefined);
    const state = await stateOf(path);
    if (state !== undefined && (await hashOf(path)) === blob.sha256) return state;
    await makeFolders(this.folder).catch((error: unknown) => {
      throw asRunError(this.folder, error);
    });
    await fetchBlob(redis, path, blob);
    return stateOf(path);
  }

  private fresh(): string {
    return join(this.folder, `new-${randomBytes(6).toString('hex')}.safetensors`);
  }
}
