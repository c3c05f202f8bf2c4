/**
 * A run is a folder: `config.json` (all that is needed to repeat it), `metrics.jsonl`, `samples/` and
 * `checkpoints/`. A new run never writes over an old one.
 */
import { constants, readFileSync, statSync } from 'node:fs';
import { access, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from '../errors.js';
import { asRunError, systemCode, systemReason, writeFileAtomically } from './atomic.js';
import { removeTemporaries } from './clean-up.js';
import { isObject, parseJson } from './json.js';
import { makeFolders } from './make-folders.js';
import { checkPlain, readSmallFile } from './plain-file.js';

/** Where a run keeps its files. */
export interface RunPaths {
  readonly dir: string;
  readonly config: string;
  readonly metrics: string;
  /** What it said while it trained. */
  readonly notes: string;
  /** TensorBoard's events, where the run writes some. */
  readonly events: string;
  /** The losses as a picture. */
  readonly curve: string;
  /** Weights that sampling is guided by, where the run keeps some. */
  readonly guide: string;
  readonly samples: string;
  readonly checkpoints: string;
}

/** What config.json holds: JSON values by name. What they mean is the business of src/config/. */
export type Json = Readonly<Record<string, unknown>>;

/** The paths of the run in `dir`, whether it exists or not. */
export function runPaths(dir: string): RunPaths {
  return {
    dir,
    config: join(dir, 'config.json'),
    metrics: join(dir, 'metrics.jsonl'),
    notes: join(dir, 'notes.jsonl'),
    events: join(dir, 'events.out.tfevents.haze'),
    curve: join(dir, 'loss.png'),
    guide: join(dir, 'guide.safetensors'),
    samples: join(dir, 'samples'),
    checkpoints: join(dir, 'checkpoints'),
  };
}

/**
 * Refuses a folder that a new run cannot have, before anything is computed or written.
 * @throws UsageError when `dir` holds a run already, or is a file.
 */
export async function checkNewRun(dir: string): Promise<void> {
  const names = await listFolder(dir);
  const own = ['config.json', 'metrics.jsonl', 'checkpoints', 'samples'].filter((name) =>
    names.includes(name),
  );
  if (own.length === 0) return;
  throw new UsageError(
    `--out ${dir}: expected a new folder, got one that holds a run (${own.join(', ')}). ` +
      'Add --resume to go on with it, or give another --out',
  );
}

/**
 * Starts a run: makes `dir` with its sub-folders and writes config.json.
 * @param hold called when the folder is there and nothing in it, to lock it
 * @throws UsageError as `checkNewRun` does; RunError when it cannot be written, and then no new folder is left.
 */
export async function createRun(
  dir: string,
  config: Json,
  hold?: () => Promise<unknown>,
): Promise<RunPaths> {
  await checkNewRun(dir);
  const paths = runPaths(dir);
  const made = await makeFolder(paths.dir);
  await hold?.();
  // Again under the lock: another may have begun, and ended, in between.
  if (hold) await checkNewRun(dir);
  try {
    await removeLeft(paths);
    // config.json first: a crash in between leaves a run that can be named, not folders that cannot.
    await writeConfig(paths, config);
    await makeFolder(paths.checkpoints);
    await makeFolder(paths.samples);
  } catch (error) {
    if (made !== undefined) await rm(made, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
  return paths;
}

/**
 * Removes what killed processes left half-written of a run's own files. The caller holds the run's lock.
 * @throws RunError
 */
export async function removeLeft({
  dir,
  config,
  metrics,
  events,
  curve,
  guide,
  samples,
}: RunPaths): Promise<void> {
  const own = [config, metrics, events, curve, guide].map((path) => basename(path));
  await removeTemporaries(dir, (base) => own.includes(base));
  await removeTemporaries(samples, (base) => GRID.test(base));
}

/** Where the grid of images of `step` is. */
export const gridPath = ({ samples }: RunPaths, step: number): string =>
  join(samples, `step-${step}.png`);

const GRID = /^step-\d+\.png$/;

/**
 * Checks that a run in `dir` could be written, before the hours whose result goes there: its folders, or the nearest
 * one above that exists.
 * @throws RunError naming the folder and why not
 */
export async function checkWritable(dir: string): Promise<void> {
  const { checkpoints, samples } = runPaths(dir);
  for (const path of [await nearestFolder(resolve(dir)), checkpoints, samples])
    await access(path, constants.W_OK | constants.X_OK).catch((error: unknown) => {
      if (systemCode(error) !== 'ENOENT') throw asRunError(path, error);
    });
}

/** The path itself, or the nearest one above it that exists. */
async function nearestFolder(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found || dirname(path) === path ? path : nearestFolder(dirname(path));
}

/**
 * Opens an existing run and reads its config.json.
 * @throws UsageError when `dir` holds no run or its config.json is no JSON object.
 */
export async function openRun(dir: string): Promise<{ paths: RunPaths; config: Json }> {
  const paths = runPaths(dir);
  if (!(await isFile(paths.config)))
    throw new UsageError(`${dir}: expected a run (a folder with config.json), got none`);
  return { paths, config: await readJsonFile(paths.config) };
}

/**
 * Makes a run whose folder was deleted or moved away while it trains one that can be opened again.
 * @param hold called when the folder is there, to lock it
 * @returns whether config.json was missing
 * @throws RunError
 */
export async function restoreRun(
  paths: RunPaths,
  config: Json,
  hold: () => Promise<unknown>,
): Promise<boolean> {
  await makeFolder(paths.samples);
  await hold();
  if (await isFile(paths.config)) return false;
  await writeConfig(paths, config);
  return true;
}

/** Replaces config.json, as a resume does that changes how long to train. @throws RunError */
export async function writeConfig(paths: RunPaths, config: Json): Promise<void> {
  await writeFileAtomically(paths.config, `${JSON.stringify(config, null, 2)}\n`);
}

/** Bytes of the longest config.json or state.json that is read; real ones have some thousand. */
const LONGEST_JSON = 1 << 20;

/** A JSON object from a file that users may have edited. @throws UsageError */
export async function readJsonFile(path: string): Promise<Json> {
  const text = await readSmallFile(path, LONGEST_JSON).catch((error: unknown) => ({ error }));
  return parseJsonFile(path, text);
}

/**
 * The same at once, for small files that settings name.
 * @param mend what is changed in a text that another program writes, before it is read
 * @throws UsageError
 */
export function readJsonFileSync(path: string, mend = (text: string) => text): Json {
  let text: string | { error: unknown };
  try {
    const stats = statSync(path);
    checkPlain(path, stats);
    if (stats.size > LONGEST_JSON)
      throw new UsageError(
        `${path}: expected a file of at most ${LONGEST_JSON} bytes, got a longer one`,
      );
    text = mend(readFileSync(path, 'utf8'));
  } catch (error) {
    text = { error };
  }
  return parseJsonFile(path, text);
}

function parseJsonFile(path: string, text: string | { error: unknown }): Json {
  try {
    if (typeof text !== 'string') throw text.error;
    // Editors on Windows put a mark before UTF-8.
    const value = parseJson(text.replace(/^\ufeff/, ''), { depth: 32, names: 10_000 });
    if (isObject(value)) return value;
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message : systemReason(error);
    if (reason === undefined) throw error;
    throw new UsageError(`${path}: expected a JSON object, got none: ${reason}`, { cause: error });
  }
  throw new UsageError(`${path}: expected a JSON object, got another JSON value`);
}

/** Whether `path` is a file; false when nothing is there. */
export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

/** Whether `path` is a folder; false when nothing is there. */
export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** Makes a folder and those above it; resolves to the first that had to be made. */
async function makeFolder(path: string): Promise<string | undefined> {
  try {
    return await makeFolders(path);
  } catch (error) {
    throw asRunError(path, error);
  }
}

async function listFolder(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw new UsageError(`--out ${dir}: expected a folder to write to: ${systemReason(error)}`);
  }
}
