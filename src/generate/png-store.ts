import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Shard } from '../config/generation.js';
import { asRunError, systemCode, writeFileAtomically } from '../io/atomic.js';
import { hashFile, sha256 } from '../io/hash.js';
import { encodePng } from '../io/pictures.js';
import type { ImageRange } from './image-range.js';
import { listFolder } from './manifest.js';
import { shardName } from './options.js';
import type { Condition, Store } from './store.js';
import { clearTemporaries } from './temporaries.js';

/** `000042.png`; more digits where they are needed. */
const NAME = /^(\d{6,})\.png$/;
/** While it is written, its name includes its shard: `000042.png.2-of-4`. */
const OWNED = /^(\d{6,})\.png\.(\d+-of-\d+)$/;

/** One PNG per image. */
export class PngStore implements Store {
  private readonly out: string;
  private readonly size: number;
  private readonly channels: 1 | 3;
  private readonly shard: string;
  /** An upper bound for the bytes of our PNGs: uncompressed pixels plus overhead. */
  private readonly largest: number;

  constructor(out: string, { size, channels }: { size: number; channels: 1 | 3 }, shard: Shard) {
    this.out = out;
    this.shard = shardName(shard);
    this.size = size;
    this.channels = channels;
    this.largest = 2 * size * size * channels + (1 << 16);
  }

  file(image: number): string {
    return `${String(image).padStart(6, '0')}.png`;
  }

  async check(image: number, hash: string): Promise<Condition> {
    try {
      const path = this.path(image);
      if ((await stat(path)).size > this.largest) return 'damaged';
      return (await hashFile(path)) === hash ? 'sound' : 'damaged';
    } catch (error) {
      return systemCode(error) === 'ENOENT' ? 'missing' : 'damaged';
    }
  }

  async occupied(range: ImageRange): Promise<string | undefined> {
    return (await listFolder(this.out)).find((name) => within(range, NAME, name));
  }

  /** Leaves what other shards are writing: their ranges overlap ours if the images were divided differently before. */
  async begin(range: ImageRange): Promise<void> {
    await clearTemporaries(this.out, (base) => {
      if (!within(range, OWNED, base)) return undefined;
      return OWNED.exec(base)![2] === this.shard ? 'ours' : "another's";
    });
  }

  async write(image: number, pixels: Uint8Array): Promise<string> {
    const { size, channels } = this;
    const picture = { data: pixels, count: 1, height: size, width: size, channels } as const;
    const path = this.path(image);
    try {
      const bytes = await encodePng(picture);
      await writeFileAtomically(path, bytes, this.shard);
      return sha256(bytes);
    } catch (error) {
      throw asRunError(path, error);
    }
  }

  async close(): Promise<void> {}

  private path(image: number): string {
    return join(this.out, this.file(image));
  }
}

function within(range: ImageRange, pattern: RegExp, name: string): boolean {
  const digits = pattern.exec(name)?.[1];
  return digits !== undefined && range.includes(Number(digits));
}
