/** A folder of images at any depth. */
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { RunError, UsageError } from '../errors.js';
import { throwIfMachines } from '../machine/faults.js';
import { reasonOf } from './reason.js';
import type { Skipped, Source } from './source.js';

/**
 * What counts as an image by its name. Of some kinds the decoder may know nothing: those are reported as
 * skipped with its own words, and not passed over in silence.
 */
const IMAGE =
  /\.(?:jpe?g|jpe|jfif|png|webp|gif|avif|tiff?|bmp|dib|heic|heif|jxl|jp2|ppm|pgm|pnm|tga|qoi)$/i;

/**
 * Lists the images under `folder`, hidden files left out, in code-unit order of their paths.
 * @throws UsageError when the folder cannot be read or holds no image.
 */
export async function openFolder(folder: string): Promise<Source> {
  const files: string[] = [];
  const others: string[] = [];
  const skipped: Skipped[] = [];
  const seen = new Set<string>();

  const walk = async (relative: string): Promise<void> => {
    const here = path.join(folder, relative);
    const real = await realpath(here);
    if (seen.has(real)) return;
    seen.add(real);
    for (const entry of (await readdir(here, { withFileTypes: true })).sort(byName)) {
      if (entry.name.startsWith('.')) continue;
      const name = path.posix.join(relative, entry.name);
      const kind = entry.isSymbolicLink()
        ? await stat(path.join(folder, name)).catch(() => undefined)
        : entry;
      if (kind?.isDirectory()) await walk(name).catch((error: unknown) => skip(name, error));
      else if (IMAGE.test(name)) files.push(name);
      else others.push(name);
    }
  };
  const skip = (name: string, error: unknown) => {
    throwIfMachines(error, path.join(folder, name));
    skipped.push({ path: path.join(folder, name), reason: reasonOf(error) });
  };

  await walk('').catch((error: unknown) => {
    if (error instanceof RunError) throw error;
    throwIfMachines(error, folder);
    throw new UsageError(`${folder}: the folder cannot be read: ${reasonOf(error)}`);
  });
  if (files.length === 0) throw noImages(folder, others, skipped);
  files.sort();
  const paths = files.map((name) => path.join(folder, name));
  return {
    name: folder,
    count: paths.length,
    item: (i) => ({ kind: 'file', path: paths[i]! }),
    label: (i) => paths[i]!,
    skipped,
  };
}

/**
 * The file system's own order differs from machine to machine, and decides by which of its names a folder that is
 * linked to is entered.
 */
const byName = (a: Dirent, b: Dirent): number => (a.name < b.name ? -1 : 1);

function noImages(
  folder: string,
  others: readonly string[],
  skipped: readonly Skipped[],
): UsageError {
  const expected = 'expected .jpg, .png, .webp, .gif, .avif or .tif files at any depth';
  if (skipped.length > 0)
    return new UsageError(
      `${folder}: no images; ${skipped[0]!.path} cannot be read: ${skipped[0]!.reason}`,
    );
  if (others.length === 0) return new UsageError(`${folder}: the folder is empty; ${expected}`);
  const packed = others.find((name) => /idx3-ubyte(?:\.gz)?$|(?:^|\/)train\.bin$/.test(name));
  if (packed !== undefined)
    return new UsageError(
      `${folder}: no images, but a file that may hold many; name it: ${path.join(folder, packed)}`,
    );
  if (others.some((name) => /(?:^|\/)data_batch_\d+$/.test(name)))
    return new UsageError(
      `${folder}: CIFAR-10 in its Python version; expected the binary version (data_batch_*.bin)`,
    );
  const found = others.length === 1 ? others[0] : `${others.length} files such as ${others[0]}`;
  return new UsageError(`${folder}: no images; ${expected}, found ${found}`);
}
