/** A folder of images at any depth. */
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { Interrupted, RunError, UsageError } from '../errors.js';
import { fsPath, joinRaw, nameText, type RawPath } from '../io/raw-path.js';
import { runPaths } from '../io/run.js';
import { throwIfMachines } from '../machine/faults.js';
import { classesOfFolders } from './classes.js';
import { fingerprintOf, type ListedFile } from './fingerprint.js';
import { reasonOf } from './reason.js';
import type { Place, Skipped, Source } from './source.js';

/**
 * Extensions that count as images. The decoder may not support some of them: these files are reported as
 * skipped with its reason, not silently ignored.
 */
const IMAGE =
  /\.(?:jpe?g|jpe|jfif|png|webp|gif|avif|tiff?|bmp|dib|heic|heif|jxl|jp2|ppm|pgm|pnm|tga|qoi|svg)$/i;

/** Whether a file has the name of an image. */
export const hasImageName = (name: string): boolean => IMAGE.test(name);

const ARCHIVE = /\.(?:zip|tar|tgz|tar\.\w+|7z|rar)$/i;

/**
 * Lists the images under a folder, in code-unit order of their paths. Hidden files are skipped, and so are the files of Haze
 * runs, which would otherwise be trained on: a run's folder within, or a run's own files in this one.
 * @throws UsageError if the folder cannot be read or holds no image; RunError if the machine has too little memory left; Interrupted
 */
export async function openFolder(place: Place, signal?: AbortSignal): Promise<Source> {
  const listing = new Listing(place, signal);
  await listing.read();
  const { files, skipped, leftOut } = listing;
  if (files.length === 0) throw noImages(place.name, listing);
  files.sort(byName);
  return {
    name: place.name,
    count: files.length,
    item: (i) => ({ kind: 'file', path: files[i]!.path }),
    label: (i) => path.join(place.name, files[i]!.name),
    skipped,
    leftOut,
    classesBy: 'folders',
    classes: async () => classesOfFolders(place.name, files),
    fingerprint: () => fingerprintOf(files),
  };
}

/** An entry of a folder: its name as text, and as the file system stores it. */
type Entry = Dirent<Buffer> & { readonly text: string };

/** A run's files other than its configuration, by name. */
const RUN = runPaths('');

class Listing {
  readonly files: ListedFile[] = [];
  /** Files whose names are not those of images. */
  readonly others: string[] = [];
  readonly skipped: Skipped[] = [];
  readonly leftOut: Skipped[] = [];
  readonly #root: Place;
  readonly #signal: AbortSignal | undefined;
  /** Folders already entered, by real path. */
  readonly #seen = new Set<string>();

  constructor(root: Place, signal: AbortSignal | undefined) {
    this.#root = root;
    this.#signal = signal;
  }

  /** @throws UsageError if the folder itself cannot be read; RunError if the machine has too little memory left */
  async read(): Promise<void> {
    const { path: root, name } = this.#root;
    await this.#walk('', root).catch((error: unknown) => {
      if (endsListing(error)) throw error;
      throwIfMachines(error, name);
      throw new UsageError(`${name}: the folder cannot be read: ${reasonOf(error)}`);
    });
  }

  async #walk(relative: string, here: RawPath): Promise<void> {
    const real = await realpath(fsPath(here), { encoding: 'buffer' });
    const key = real.toString('latin1');
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    let entries = await list(here);
    if (holdsRun(entries)) {
      if (relative !== '') return this.#leaveOut(relative, 'it holds a run');
      const mine = (entry: Entry) => [RUN.samples, RUN.checkpoints, RUN.curve].includes(entry.text);
      for (const { text } of entries.filter(mine)) this.#leaveOut(text, 'a run wrote it');
      entries = entries.filter((entry) => !mine(entry));
    }
    for (const entry of entries) await this.#enter(relative, here, entry);
  }

  async #enter(relative: string, here: RawPath, entry: Entry): Promise<void> {
    if (this.#signal?.aborted) throw new Interrupted('interrupted while a folder was listed');
    if (entry.text.startsWith('.')) return;
    const name = path.posix.join(relative, entry.text);
    const raw = joinRaw(here, entry.name);
    const kind = entry.isSymbolicLink() ? await stat(fsPath(raw)).catch(() => undefined) : entry;
    if (kind?.isDirectory())
      await this.#walk(name, raw).catch((error: unknown) => {
        if (endsListing(error)) throw error;
        throwIfMachines(error, this.#full(name));
        this.skipped.push({ path: this.#full(name), reason: reasonOf(error) });
      });
    else if (hasImageName(name)) this.files.push({ name, path: raw });
    else this.others.push(name);
  }

  #leaveOut(name: string, reason: string): void {
    this.leftOut.push({ path: this.#full(name), reason });
  }

  #full(name: string): string {
    return path.join(this.#root.name, name);
  }
}

/** Of the listing as a whole, not of a folder that cannot be read. */
const endsListing = (error: unknown): boolean =>
  error instanceof RunError || error instanceof Interrupted;

/**
 * The entries of a folder sorted by name: the file system's order differs between machines, and it would decide under which
 * name a linked folder is entered.
 */
async function list(folder: RawPath): Promise<Entry[]> {
  // On file systems that do not report entry types, names come as bytes only for a path given as bytes.
  const bytes = Buffer.from(fsPath(folder));
  const entries = await readdir(bytes, { withFileTypes: true, encoding: 'buffer' });
  return entries
    .map((entry) => Object.assign(entry, { text: nameText(entry.name) }))
    .sort((a, b) => (a.text === b.text ? a.name.compare(b.name) : a.text < b.text ? -1 : 1));
}

/** Whether a folder is or was a run's: recognised by its configuration and the results beside it. */
function holdsRun(entries: readonly Entry[]): boolean {
  const names = new Set(entries.map(({ text }) => text));
  return names.has(RUN.config) && (names.has(RUN.checkpoints) || names.has(RUN.metrics));
}

/** Code units; two names with the same text keep the order of their bytes. */
const byName = (a: ListedFile, b: ListedFile): number =>
  a.name === b.name ? 0 : a.name < b.name ? -1 : 1;

function noImages(
  folder: string,
  { others, skipped, leftOut }: Pick<Listing, 'others' | 'skipped' | 'leftOut'>,
): UsageError {
  const expected = 'expected .jpg, .png, .webp, .gif, .avif or .tif files at any depth';
  if (skipped.length > 0)
    return new UsageError(
      `${folder}: no images; ${skipped[0]!.path} cannot be read: ${skipped[0]!.reason}`,
    );
  if (leftOut.length > 0)
    return new UsageError(
      `${folder}: no images except in ${leftOut[0]!.path}, which is left out: ${leftOut[0]!.reason}`,
    );
  if (others.length === 0) return new UsageError(`${folder}: the folder is empty; ${expected}`);
  const packed = others.find((name) => /idx3-ubyte(?:\.gz)?$|(?:^|\/)train\.bin$/.test(name));
  if (packed !== undefined)
    return new UsageError(
      `${folder}: no images, but a file that may hold many; give its path: ${path.join(folder, packed)}`,
    );
  if (others.some((name) => /(?:^|\/)data_batch_\d+$/.test(name)))
    return new UsageError(
      `${folder}: CIFAR-10 in the Python version; expected the binary version (data_batch_*.bin)`,
    );
  const archive = others.find((name) => ARCHIVE.test(name));
  if (archive !== undefined)
    return new UsageError(
      `${folder}: no images, but an archive, ${path.join(folder, archive)}; unpack it first`,
    );
  const found = others.length === 1 ? others[0] : `${others.length} files such as ${others[0]}`;
  return new UsageError(`${folder}: no images; ${expected}, found ${found}`);
}
