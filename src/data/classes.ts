/** The class of each image of a data set: from its folder, a file of labels, a byte of its record, or how it was drawn. */
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

/** Where classes come from. */
export const CLASS_KINDS = ['folders', 'labels', 'bodies'] as const;
export type ClassKind = (typeof CLASS_KINDS)[number];

/** The classes of a source. */
export interface Classes {
  /** Names by label, from 0. */
  readonly names: readonly string[];
  /** Label of each item. */
  readonly labels: Int32Array;
}

/** The most classes, far above those of any data set; more are a mistake, such as one folder per image. */
export const MOST_CLASSES = 10_000;

/** Number of files outside any folder that a message names. */
const LISTED = 3;

/**
 * The class of each file is its top-level folder below the root, in code-unit order of the names.
 * @throws UsageError for a file outside any folder
 */
export function classesOfFolders(root: string, files: readonly ListedFile[]): Classes {
  const folders = files.map(({ name }) => name.split('/').slice(0, -1)[0]);
  const outside = files.filter((_, i) => folders[i] === undefined);
  if (outside.length > 0)
    throw new UsageError(
      `${root}: expected every image in a folder named after its class, got ${outside.length} outside any, such as ${outside
        .slice(0, LISTED)
        .map(({ name }) => name)
        .join(', ')}`,
    );
  return numbered(root, folders as readonly string[]);
}

/** Numbers the names in order. */
export function numbered(where: string, of: readonly string[]): Classes {
  const names = [...new Set(of)].sort();
  if (names.length > MOST_CLASSES)
    throw new UsageError(
      `${where}: expected at most ${MOST_CLASSES} classes, got ${names.length}; each subfolder is one`,
    );
  const label = new Map(names.map((name, i) => [name, i]));
  return { names, labels: Int32Array.from(of, (name) => label.get(name)!) };
}

/** The classes of a source; `where` begins messages. @throws UsageError if it does not have any */
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

/** @throws UsageError if all images are of one class, which has nothing to learn */
export function checkSeveral(where: string, { names, labels }: Classes): void {
  const first = labels[0] ?? 0;
  if (labels.every((label) => label === first))
    throw new UsageError(
      `${where}: expected two classes or more, got only ${printable(names[first] ?? 'none')}`,
    );
}

/** The word of `--class` for images without a class. */
const WORD_FOR_NONE = 'none';

/** @throws UsageError for a class that could not be told from no class when images are drawn */
export function checkNotNone(where: string, { names }: Classes): void {
  if (names.includes(WORD_FOR_NONE))
    throw new UsageError(
      `${where}: expected no class of the name ${WORD_FOR_NONE}, which draws images without a class, got one; rename it`,
    );
}

/** The labels of images, numbered by known classes. @throws UsageError naming a class that is not known */
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

/** Numeric labels, with or without names for the classes. */
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

/** Size of the magic number and the one dimension of a file of labels. */
const LABELS_HEADER = 8;

/** Size limit of such a file: labels of 100 million images. */
const LARGEST = 1e8 + LABELS_HEADER;

/**
 * The labels of an IDX file of images, from the file of labels in the same folder: for `train-images-idx3-ubyte` it is
 * `train-labels-idx1-ubyte`, with or without gzip.
 * @throws UsageError if it is missing or does not hold labels of `count` images
 */
export async function classesOfIdx(images: RawPath, name: string, count: number): Promise<Classes> {
  const file = String(fsPath(images));
  const base = path.basename(file).replace(/\.gz$/i, '');
  const wanted = base
    .replace(/images/i, (word) => (word === 'IMAGES' ? 'LABELS' : 'labels'))
    .replace(/idx3/i, 'idx1');
  if (wanted === base)
    throw new UsageError(
      `${name}: expected "images" in its name; the file of labels in the same folder has "labels" instead`,
    );
  const folder = path.dirname(file);
  for (const candidate of [wanted, `${wanted}.gz`]) {
    const found = await stat(path.join(folder, candidate)).catch(() => undefined);
    if (!found?.isFile()) continue;
    return classesOfNumbers(await idxLabels(path.join(folder, candidate), found.size, count));
  }
  throw new UsageError(
    `${name}: expected its labels in ${wanted} in the same folder, got no such file`,
  );
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
      `${file}: expected ${count} labels, one per image, got ${bytes.readUInt32BE(4)} in ${held} bytes`,
    );
  return bytes.subarray(LABELS_HEADER);
}

function unpacked(file: string, stored: Buffer, count: number): Buffer {
  if (stored[0] !== 0x1f || stored[1] !== 0x8b) return stored;
  try {
    // Data that unpack to more than the labels are refused before they fill the memory.
    return gunzipSync(stored, { maxOutputLength: count + LABELS_HEADER });
  } catch (error) {
    throw new UsageError(
      `${file}: the gzip data cannot be unpacked to ${count} labels (${reasonOf(error)})`,
    );
  }
}
