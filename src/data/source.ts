/**
 * The kinds of `<data>`, before any pixel is decoded: a list of items, each of which a worker can decode
 * independently.
 */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { closest, distance } from 'fastest-levenshtein';
import { UsageError } from '../errors.js';
import { describeKind, fileKind, isPicture, KIND_BYTES } from '../io/file-kind.js';
import { fsPath, type RawPath, resolveRaw } from '../io/raw-path.js';
import { throwIfMachines } from '../machine/faults.js';
import { openArray, openArrayFolder } from './array.js';
import { openCifar, openCifarFolder } from './cifar.js';
import type { Classes, ClassKind } from './classes.js';
import { openFolder } from './folder.js';
import { openIdx } from './idx.js';
import { readAt } from './read-at.js';
import { reasonOf } from './reason.js';
import { openToyCars, TOY_CARS } from './toy-cars.js';

/** An image that is not decoded yet; plain data, so that it can be sent to a worker. */
export type Item =
  | { readonly kind: 'file'; readonly path: RawPath }
  | {
      readonly kind: 'record';
      /** The file that holds the pixels, or its contents if it cannot be read at an offset (gzip). */
      readonly from: RawPath | SharedArrayBuffer;
      /** Offset of the pixels, in bytes. */
      readonly offset: number;
      readonly width: number;
      readonly height: number;
      /** 4: RGBA. */
      readonly channels: 1 | 3 | 4;
      /** Whether all red comes first, then all green, then all blue (CIFAR), instead of pixel by pixel. */
      readonly planar: boolean;
    }
  | { readonly kind: 'car'; readonly seed: number; readonly index: number };

/** A file without a readable image, and why. */
export interface Skipped {
  readonly path: string;
  readonly reason: string;
}

/** The images of a folder or file, in a fixed order. */
export interface Source {
  readonly name: string;
  readonly count: number;
  /** Image i in [0, count). */
  item(i: number): Item;
  /** The name of image i in messages. */
  label(i: number): string;
  /** Bytes of memory that it holds itself; missing if it reads from files. */
  readonly memoryBytes?: number;
  /** What could not be listed. */
  readonly skipped: readonly Skipped[];
  /** What it skipped deliberately, and why. */
  readonly leftOut: readonly Skipped[];
  /** Where `classes` come from; default `labels`. */
  readonly classesBy?: ClassKind;
  /** The class of each item; missing if the data have no classes. @throws UsageError if they should have some and do not */
  classes?(): Promise<Classes>;
  /** A hash of the listing, by names and sizes: the same for the same images, independent of their location. */
  fingerprint(): Promise<string>;
}

/** The location of data, and the user's name for it. */
export interface Place {
  readonly path: RawPath;
  readonly name: string;
}

const EXPECTED =
  'expected a folder of images, an IDX file (.gz too), a CIFAR binary file (.bin), an array (.npz, .npy, .safetensors), or toy-cars';

/**
 * Determines what `spec` is and lists its images.
 * @throws UsageError if it does not exist, cannot be read, or is not supported; Interrupted
 */
export async function openSource(
  spec: string,
  seed: number,
  signal?: AbortSignal,
): Promise<Source> {
  if (spec === TOY_CARS) return openToyCars(seed);
  const place = { path: await resolveRaw(spec), name: spec };
  const entry = await stat(fsPath(place.path)).catch(async (error: NodeJS.ErrnoException) => {
    throw await unreachable(spec, error);
  });
  if (entry.isDirectory())
    return (
      (await openCifarFolder(place)) ??
      (await openArrayFolder(place)) ??
      (await openFolder(place, signal))
    );
  if (!entry.isFile()) throw new UsageError(`${spec}: not a folder or a file; ${EXPECTED}`);
  const source = (await openIdx(place)) ?? (await openCifar(place)) ?? (await openArray(place));
  if (source) return source;
  throw new UsageError(
    `${spec}: neither an IDX file nor a CIFAR binary file, nor an array of images${but(place)}; ${EXPECTED}`,
  );
}

/** What a file is instead, if that is known. */
function but({ path }: Place): string {
  const kind = fileKind(readAt(path, 0, KIND_BYTES));
  if (kind === undefined) return '';
  const hint = isPicture(kind) ? '; give the folder that it is in' : '';
  return ` but ${describeKind(kind)}${hint}`;
}

async function unreachable(spec: string, error: NodeJS.ErrnoException): Promise<UsageError> {
  throwIfMachines(error, spec);
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR')
    return new UsageError(`${spec}: cannot be opened: ${reasonOf(error)}`);
  const meant = await suggestion(spec);
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  return new UsageError(`${spec}: no such folder or file${hint || `; ${EXPECTED}`}`);
}

/** `toy-cars` or a neighbouring entry on disk, if the name is close enough to be a typo. */
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
