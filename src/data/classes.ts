/** Which class each image of a data set is of: by its folder, a file of labels, a byte of its record, or how it was drawn. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { UsageError } from '../errors.js';
import { fsPath, type RawPath } from '../io/raw-path.js';
import { throwIfMachines } from '../machine/faults.js';
import { printable } from '../printable.js';
import type { ListedFile } from './fingerprint.js';
import { listNames } from './list-names.js';
import { reasonOf } from './reason.js';
import type { Source } from './source.js';

/** Where classes are said. */
export const CLASS_KINDS = ['folders', 'labels', 'bodies'] as const;
export type ClassKind = (typeof CLASS_KINDS)[number];

/** The classes of a source. */
export interface Classes {
  /** By label, which counts from 0. */
  readonly names: readonly string[];
  /** Label of each item. */
  readonly labels: Int32Array;
}

/** The most classes, far above those of any data set; more are a mistake, such as a folder an image. */
export const MOST_CLASSES = 10_000;

/** Files that lie in no folder which a message names. */
const LISTED = 3;

/**
 * The folder below the root that each file lies in, at whatever depth, in code-unit order of their names.
 * @throws UsageError for a file that lies in none
 */
export function classesOfFolders(root: string, files: readonly ListedFile[]): Classes {
  const folders = files.map(({ name }) => name.split('/').slice(0, -1)[0]);
  const outside = files.filter((_, i) => folders[i] === undefined);
  if (outside.length > 0)
    throw new UsageError(
      `${root}: expected every image in a folder of its class, got ${outside.length} that lie in none, such as ${outside
        .slice(0, LISTED)
        .map(({ name }) => name)
        .join(', ')}`,
    );
  return numbered(root, folders as readonly string[]);
}

/** Names as labels. */
export function numbered(where: string, of: readonly string[]): Classes {
  const names = [...new Set(of)].sort();
  if (names.length > MOST_CLASSES)
    throw new UsageError(
      `${where}: expected at most ${MOST_CLASSES} classes, got ${names.length}; each folder below it is one`,
    );
  const label = new Map(names.map((name, i) => [name, i]));
  return { names, labels: Int32Array.from(of, (name) => label.get(name)!) };
}

/** The classes of a source; `where` begins messages. @throws UsageError where it does not say them */
export async function requireClasses(where: string, source: Source): Promise<Classes> {
  if (!source.classes)
    throw new UsageError(`${where}: ${source.name} does not say which class each image is of`);
  try {
    return await source.classes();
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${where}: ${error.message}`);
    throw error;
  }
}

/** @throws UsageError where all images are of one class, which tells a network nothing */
export function checkSeveral(where: string, { names, labels }: Classes): void {
  const first = labels[0] ?? 0;
  if (labels.every((label) => label === first))
    throw new UsageError(
      `${where}: expected two classes or more, got ${printable(names[first] ?? 'none')} alone`,
    );
}

/** The labels that images have among the classes of others. @throws UsageError naming a class that is not one of them */
export function among(
  where: string,
  { names, labels }: Classes,
  known: readonly string[],
): Classes {
  const places = names.map((name) => known.indexOf(name));
  const other = labels.find((label) => places[label]! < 0);
  if (other === undefined) return { names: known, labels: labels.map((label) => places[label]!) };
  throw new UsageError(
    `${where}: expected images of the classes ${listNames(known)}, got some of ${printable(names[other]!)}`,
  );
}

/** Labels that are numbers, of classes with or without names of their own. */
export function classesOfNumbers(
  labels: Uint8Array | Int32Array,
  names?: readonly string[],
): Classes {
  let count = 1;
  for (const label of labels) count = Math.max(count, label + 1);
  return {
    names: names ?? Array.from({ length: Math.max(2, count) }, (_, i) => String(i)),
    labels: Int32Array.from(labels),
  };
}

/** Magic and the one dimension of a file of labels. */
const LABELS_HEADER = 8;

/** Bytes that such a file may have: labels of 100 million images. */
const LARGEST = 1e8 + LABELS_HEADER;

/**
 * The labels of an IDX file of images, from the file of labels beside it: `train-images-idx3-ubyte` has
 * `train-labels-idx1-ubyte`, packed by gzip or not.
 * @throws UsageError where there is none, or it holds no labels of as many images
 */
export async function classesOfIdx(images: RawPath, name: string, count: number): Promise<Classes> {
  const file = String(fsPath(images));
  const base = path.basename(file).replace(/\.gz$/i, '');
  const wanted = base
    .replace(/images/i, (word) => (word === 'IMAGES' ? 'LABELS' : 'labels'))
    .replace(/idx3/i, 'idx1');
  if (wanted === base)
    throw new UsageError(
      `${name}: expected "images" in its name, which stands as "labels" in that of the file of labels beside it`,
    );
  const folder = path.dirname(file);
  for (const candidate of [wanted, `${wanted}.gz`]) {
    const found = await stat(path.join(folder, candidate)).catch(() => undefined);
    if (!found?.isFile()) continue;
    return classesOfNumbers(await idxLabels(path.join(folder, candidate), found.size, count));
  }
  throw new UsageError(`${name}: expected its labels in ${wanted} beside it, got no such file`);
}

async function idxLabels(file: string, size: number, count: number): Promise<Uint8Array> {
  if (size > LARGEST)
    throw new UsageError(`${file}: expected the labels of ${count} images, got ${size} bytes`);
  const stored = await readFile(file).catch((error: unknown) => {
    throwIfMachines(error, file);
    throw new UsageError(`${file}: cannot be read: ${reasonOf(error)}`);
  });
  const bytes = unpacked(file, stored, count);
  const isLabels = bytes.length >= LABELS_HEADER && bytes.readUInt32BE(0) === 0x0801;
  if (!isLabels)
    throw new UsageError(`${file}: expected an IDX file of u8 labels, of one dimension`);
  const held = bytes.length - LABELS_HEADER;
  if (bytes.readUInt32BE(4) !== count || held !== count)
    throw new UsageError(
      `${file}: expected ${count} labels, one an image, got ${bytes.readUInt32BE(4)} in ${held} bytes`,
    );
  return bytes.subarray(LABELS_HEADER);
}

function unpacked(file: string, stored: Buffer, count: number): Buffer {
  if (stored[0] !== 0x1f || stored[1] !== 0x8b) return stored;
  try {
    // What unpacks to more than labels of the images is refused before it fills the memory.
    return gunzipSync(stored, { maxOutputLength: count + LABELS_HEADER });
  } catch (error) {
    throw new UsageError(
      `${file}: the gzip data cannot be unpacked to ${count} labels (${reasonOf(error)})`,
    );
  }
}
