/**
 * The manifest of a process: which images it finished, one JSON object per line, appended as they finish. A header with
 * settings and build precedes the lines it applies to. Torn or damaged lines are skipped:
 * an image without an intact line is drawn again.
 */
import { closeSync, fstatSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Shard } from '../config/generation.js';
import { RunError, UsageError } from '../errors.js';
import { asRunError, systemCode, systemReason } from '../io/atomic.js';
import { sha256 } from '../io/hash.js';
import { isObject } from '../io/json.js';
import { checkPlain, readLines } from '../io/plain-file.js';
import { shardName } from './options.js';
import type { Maker, Settings } from './settings.js';

export interface HeaderLine {
  readonly settings: Settings;
  readonly maker: Maker;
  /**
   * Hash of the settings before it. Other lines are checked against the files; this distinguishes a damaged header from one with
   * other settings.
   */
  readonly check: string;
}

export function headerLine(settings: Settings, maker: Maker): HeaderLine {
  const check = sha256(Buffer.from(JSON.stringify({ settings, maker }))).slice(0, 16);
  return { settings, maker, check };
}

/** A finished image. `sha256` is of its file, or of its pixels if one file holds all. */
export interface ImageLine {
  readonly index: number;
  readonly seed: number;
  /** Its class, for a class-conditional model, by number and by name. */
  readonly label?: number;
  readonly class?: string;
  readonly file: string;
  readonly sha256: string;
}

/** A finished file of all images. */
export interface FileLine {
  readonly file: string;
  readonly images: number;
  readonly sha256: string;
}

export type Line = HeaderLine | ImageLine | FileLine;

export const isHeader = (line: Line): line is HeaderLine => 'settings' in line;
export const isImage = (line: Line): line is ImageLine => 'index' in line;

const NAME = /^manifest-\d+-of-\d+\.jsonl$/;

export const manifestPath = (out: string, shard: Shard): string =>
  join(out, `manifest-${shardName(shard)}.jsonl`);

/** Paths of all manifests of a folder, which need not exist. @throws UsageError if it is not a folder */
export async function manifests(out: string): Promise<string[]> {
  return (await listFolder(out)).filter((name) => NAME.test(name)).map((name) => join(out, name));
}

/** Names in a folder; none if it does not exist. @throws UsageError if it cannot be read */
export async function listFolder(out: string): Promise<string[]> {
  try {
    return (await readdir(out)).sort();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw new UsageError(`--out ${out}: expected a folder to write to: ${systemReason(error)}`);
  }
}

/** Longer than any line ever written, or left by a crash. Bytes. */
const LONGEST_LINE = 1 << 20;

/**
 * The intact lines of a manifest, from its first header on; reads a file of any length in little memory.
 * @throws UsageError if it cannot be read
 */
export async function* readManifest(path: string): AsyncGenerator<Line> {
  let headed = false;
  try {
    for await (const text of readLines(path, LONGEST_LINE)) {
      const line = parse(text);
      if (!line) continue;
      headed ||= isHeader(line);
      if (headed) yield line;
    }
  } catch (error) {
    const reason = systemReason(error);
    if (reason === undefined) throw error;
    throw new UsageError(`${path}: cannot be read: ${reason}`, { cause: error });
  }
}

/** Appends to the manifest of this process. */
export class Manifest {
  readonly path: string;
  private file: number | undefined;

  private constructor(path: string, file: number) {
    this.path = path;
    this.file = file;
  }

  /** Opens or creates a manifest; a torn last line is cut off. @throws RunError */
  static async open(path: string): Promise<Manifest> {
    try {
      await cutTornLine(path);
      return new Manifest(path, openSync(path, 'a'));
    } catch (error) {
      throw asRunError(path, error);
    }
  }

  /** Appends a whole line at once. @throws RunError if it cannot be written */
  append(line: Line): void {
    if (this.file === undefined) throw new RunError(`${this.path}: the manifest is closed`);
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.file, bytes, at);
    } catch (error) {
      throw asRunError(this.path, error);
    }
  }

  /** Syncs it to disk and closes it; safe to call twice. @throws RunError, also if it was deleted meanwhile */
  close(): void {
    if (this.file === undefined) return;
    const file = this.file;
    this.file = undefined;
    try {
      fsyncSync(file);
      // Without it the images have no hashes, and the next run would refuse the folder.
      if (fstatSync(file).nlink === 0)
        throw new RunError(`${this.path}: the manifest was deleted while images were drawn`);
    } catch (error) {
      throw asRunError(this.path, error);
    } finally {
      closeSync(file);
    }
  }
}

async function cutTornLine(path: string): Promise<void> {
  const there = await stat(path).catch(() => undefined);
  if (!there) return;
  checkPlain(path, there);
  // Not for appending: Windows cuts no file that is open for that alone.
  const file = await open(path, 'r+');
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - LONGEST_LINE);
    const tail = Buffer.alloc(size - from);
    const { bytesRead } = await file.read(tail, 0, tail.length, from);
    const end = tail.subarray(0, bytesRead).lastIndexOf('\n') + 1;
    if (from + end < size) await file.truncate(from + end);
  } finally {
    await file.close();
  }
}

function parse(text: string): Line | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isObject(value) && (soundHeader(value) || soundImage(value) || soundFile(value))
    ? (value as unknown as Line)
    : undefined;
}

const soundHeader = ({ settings, maker, check }: Record<string, unknown>): boolean =>
  isObject(settings) &&
  Object.values(settings).every((v) => typeof v === 'string' || typeof v === 'number') &&
  isObject(maker) &&
  Object.values(maker).every((v) => typeof v === 'string') &&
  check === headerLine(settings as Settings, maker as Maker).check;

const soundImage = ({ index, seed, file, sha256 }: Record<string, unknown>): boolean =>
  Number.isSafeInteger(index) &&
  Number.isSafeInteger(seed) &&
  typeof file === 'string' &&
  typeof sha256 === 'string';

const soundFile = ({ index, file, images, sha256 }: Record<string, unknown>): boolean =>
  index === undefined &&
  typeof file === 'string' &&
  Number.isSafeInteger(images) &&
  typeof sha256 === 'string';
