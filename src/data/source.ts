/**
 * What `<data>` may be, before any pixel is decoded: a list of items, each of which a worker can turn into
 * an image on its own.
 */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { closest, distance } from 'fastest-levenshtein';
import { UsageError } from '../errors.js';
import { openCifar, openCifarFolder } from './cifar.js';
import { openFolder } from './folder.js';
import { openIdx } from './idx.js';
import { reasonOf } from './reason.js';
import { openToyCars, TOY_CARS } from './toy-cars.js';

/** An image that is not decoded yet; plain data, so that it can be handed to a worker. */
export type Item =
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'record';
      /** The file that holds the pixels, or its contents where it cannot be read in place (gzip). */
      readonly from: string | SharedArrayBuffer;
      /** Where the pixels begin, in bytes. */
      readonly offset: number;
      readonly width: number;
      readonly height: number;
      readonly channels: 1 | 3;
      /** All red, then all green, then all blue (CIFAR), not pixel by pixel. */
      readonly planar: boolean;
    }
  | { readonly kind: 'car'; readonly seed: number; readonly index: number };

/** A file that gives no image, and why. */
export interface Skipped {
  readonly path: string;
  readonly reason: string;
}

/** The images of a folder or file, in an order that is always the same. */
export interface Source {
  readonly name: string;
  readonly count: number;
  /** Image i in [0, count). */
  item(i: number): Item;
  /** How image i is named in messages. */
  label(i: number): string;
  /** What the listing could not enter. */
  readonly skipped: readonly Skipped[];
}

const EXPECTED =
  'expected a folder of images, an IDX file (.gz too), a CIFAR binary file, or toy-cars';

/**
 * Finds out what `spec` is and lists its images.
 * @throws UsageError when there is nothing there, nothing that can be read, or nothing that is understood.
 */
export async function openSource(spec: string, seed: number): Promise<Source> {
  if (spec === TOY_CARS) return openToyCars(seed);
  const entry = await stat(spec).catch(async (error: NodeJS.ErrnoException) => {
    throw await unreachable(spec, error);
  });
  if (entry.isDirectory()) return (await openCifarFolder(spec)) ?? (await openFolder(spec));
  if (!entry.isFile()) throw new UsageError(`${spec}: not a folder or a file; ${EXPECTED}`);
  const source = (await openIdx(spec)) ?? (await openCifar(spec));
  if (source) return source;
  throw new UsageError(`${spec}: neither an IDX file nor a CIFAR binary file; ${EXPECTED}`);
}

async function unreachable(spec: string, error: NodeJS.ErrnoException): Promise<UsageError> {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR')
    return new UsageError(`${spec}: cannot be opened: ${reasonOf(error)}`);
  const meant = await suggestion(spec);
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  return new UsageError(`${spec}: no such folder or file${hint || `; ${EXPECTED}`}`);
}

/** `toy-cars` or a neighbour on disk, where the name is close enough to be a slip. */
async function suggestion(spec: string): Promise<string | undefined> {
  const near = (a: string, b: string) =>
    distance(a.toLowerCase(), b.toLowerCase()) <= Math.max(1, Math.floor(b.length / 3));
  const bare = path.basename(spec).replaceAll(/[\s_]+/g, '-');
  if (near(bare, TOY_CARS) || near(bare.replaceAll('-', ''), 'toycars')) return TOY_CARS;
  const parent = path.dirname(spec);
  const names = (await readdir(parent).catch(() => [])).filter((name) => !name.startsWith('.'));
  if (names.length === 0) return undefined;
  const name = closest(path.basename(spec), names);
  return near(path.basename(spec), name) ? path.join(parent, name) : undefined;
}
