/** What a folder already holds: read from its manifests, and checked against the files. */
import { isDeepStrictEqual } from 'node:util';
import { hasImageName } from '../data/folder.js';
import { UsageError } from '../errors.js';
import { BoundedQueue } from './bounded-queue.js';
import type { ImageRange } from './image-range.js';
import {
  type FileLine,
  type ImageLine,
  isHeader,
  isImage,
  listFolder,
  manifests,
  readManifest,
} from './manifest.js';
import { checkSettings, type Maker, type Settings } from './settings.js';
import type { Store } from './store.js';

/** The header lines and finished files of a folder. */
export interface Overview {
  readonly manifests: readonly string[];
  readonly makers: readonly Maker[];
  /** The last header of each manifest. */
  readonly headers: ReadonlyMap<string, Maker>;
  readonly files: readonly FileLine[];
}

/** Reads every manifest of the folder. @throws UsageError if images there were drawn with other settings */
export async function survey(out: string, settings: Settings): Promise<Overview> {
  const makers: Maker[] = [];
  const headers = new Map<string, Maker>();
  const files: FileLine[] = [];
  const paths = await manifests(out);
  for (const path of paths)
    for await (const line of readManifest(path)) {
      if (isImage(line)) continue;
      if (!isHeader(line)) files.push(line);
      else {
        checkSettings(out, line.settings, settings);
        headers.set(path, line.maker);
        if (!makers.some((maker) => isDeepStrictEqual(maker, line.maker))) makers.push(line.maker);
      }
    }
  return { manifests: paths, makers, headers, files };
}

/** Files checked at one time. */
const HANDS = 4;

/**
 * Marks the images of the range that a manifest lists and whose files match it.
 * @returns the lowest image whose file matches no manifest, if there is one
 */
export async function markSound(
  { manifests }: Overview,
  store: Store,
  range: ImageRange,
): Promise<number | undefined> {
  const damaged = new Set<number>();
  const check = async ({ index, sha256 }: ImageLine) => {
    const condition = await store.check(index, sha256);
    if (condition === 'sound') range.mark(index);
    else if (condition === 'damaged' && damaged.size < LISTED) damaged.add(index);
  };
  const queue = new BoundedQueue(check, { room: HANDS, hands: HANDS });
  for (const path of manifests)
    for await (const line of readManifest(path))
      if (isImage(line) && range.includes(line.index) && !range.has(line.index))
        await queue.put(line);
  await queue.drain();
  const left = [...damaged].filter((image) => !range.has(image));
  return left.length > 0 ? Math.min(...left) : undefined;
}

/**
 * How many damaged images are remembered: later lines may still match some of them. Files are checked concurrently,
 * so the first to be found need not be the lowest.
 */
const LISTED = 1000;

/** Whether a name is that of an image, of ours or of others. */
const isPicture = (name: string): boolean => !name.startsWith('.') && hasImageName(name);

/** @throws UsageError for files that would be replaced, and for images that no generation made, unless `--resume` allows it */
export async function refuseStrangers(
  out: string,
  store: Store,
  range: ImageRange,
  { headers }: Overview,
  damaged: number | undefined,
): Promise<void> {
  if (damaged !== undefined)
    throw new UsageError(
      `--out ${out}: image ${damaged} in ${store.file(damaged)} does not match the manifest; ` +
        '--resume redraws such images',
    );
  if (headers.size > 0) return;
  const stranger = await store.occupied(range);
  const guest = stranger ?? (await listFolder(out)).find(isPicture);
  if (guest === undefined) return;
  throw new UsageError(
    `--out ${out}: expected a new folder or one with a manifest, got one with ${guest}; ` +
      `give another --out, or --resume to ${stranger === undefined ? 'add to it' : 'replace it'}`,
  );
}
