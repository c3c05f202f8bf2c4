/**
 * A run is a folder: `config.json` (everything needed to repeat it), `metrics.jsonl`, `samples/` and
 * `checkpoints/`. A new run never overwrites an old one.
 */
import { constants, readFileSync, statSync } from 'node:fs';
import { access, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { RunError, UsageError } from '../errors.js';
import { asRunError, systemCode, systemReason, writeFileAtomically } from './atomic.js';
import { removeTemporaries } from './clean-up.js';
import { isObject, parseJson } from './json.js';
import { makeFolders } from './make-folders.js';
import { checkPlain, readSmallFile } from './plain-file.js';

/** The files of a run. */
export interface RunPaths {
  readonly dir: string;
  readonly config: string;
  readonly metrics: string;
  /** Its notes and warnings. */
  readonly notes: string;
  /** TensorBoard's events, if the run writes them. */
  readonly events: string;
  /** The loss curve. */
  readonly curve: string;
  /** Weights that guide sampling, if the run keeps some. */
  readonly guide: string;
  /** Weights of the model that the run learns from, if there is one, and of what guides it. */
  readonly teacher: string;
  readonly teacherGuide: string;
  /** The folder of the autoencoder, if the run trains on latents. */
  readonly vae: string;
  readonly samples: string;
  readonly checkpoints: string;
}

/** The contents of config.json: JSON values by name. src/config/ interprets them. */
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
    teacher: join(dir, 'teacher.safetensors'),
    teacherGuide: join(dir, 'teacher-guide.safetensors'),
    vae: join(dir, 'vae'),
    samples: join(dir, 'samples'),
    checkpoints: join(dir, 'checkpoints'),
  };
}

/**
 * Refuses a folder that a new run cannot use, before anything is computed or written.
 * @throws UsageError if `dir` already holds a run, or is a file
 */
export async function checkNewRun(dir: string): Promise<void> {
  const names = await listFolder(dir);
  const own = ['config.json', 'metrics.jsonl', 'checkpoints', 'samples', 'vae'].filter((name) =>
    names.includes(name),
  );
  if (own.length === 0) return;
  throw new UsageError(
    `--out ${dir}: expected a new folder, got one that holds a run (${own.join(', ')}). ` +
      'Add --resume to continue it, or give another --out',
  );
}

/**
 * Starts a run: makes `dir` with its subfolders and writes config.json.
 * @param hold called once the empty folder exists, to lock it
 * @param fill writes what the run cannot do without, before the folder counts as one
 * @throws UsageError like `checkNewRun`; RunError if it cannot be written, and then no new folder is left
 */
export async function createRun(
  dir: string,
  config: Json,
  hold?: () => Promise<unknown>,
  fill?: (paths: RunPaths) => Promise<void>,
): Promise<RunPaths> {
  await checkNewRun(dir);
  const paths = runPaths(dir);
  const made = await makeFolder(paths.dir);
  await hold?.();
  // Again under the lock: another run may have started, and ended, in between.
  if (hold) await checkNewRun(dir);
  try {
    await removeLeft(paths);
    await fill?.(paths);
    // config.json before the others: a crash in between leaves a recognisable run, not unidentifiable folders.
    await writeConfig(paths, config);
    await makeFolder(paths.checkpoints);
    await makeFolder(paths.samples);
  } catch (error) {
    for (const path of [paths.vae, paths.teacher, paths.teacherGuide])
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
    if (made !== undefined) await rm(made, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
  return paths;
}

/**
 * Removes half-written files of a run that killed processes left. The caller holds the run's lock.
 * @throws RunError
 */
export async function removeLeft({
  dir,
  config,
  metrics,
  events,
  curve,
  guide,
  teacher,
  teacherGuide,
  vae,
  samples,
}: RunPaths): Promise<void> {
  const files = [config, metrics, events, curve, guide, teacher, teacherGuide];
  const own = files.map((path) => basename(path));
  await removeTemporaries(dir, (base) => own.includes(base));
  await removeTemporaries(dir, (base) => base === basename(vae), 'folders');
  await removeTemporaries(samples, (base) => GRID.test(base));
}

/** Path of the sample grid of `step`. */
export const gridPath = ({ samples }: RunPaths, step: number): string =>
  join(samples, `step-${step}.png`);

const GRID = /^step-\d+\.png$/;

/**
 * Checks that a run in `dir` could be written, before the hours of work whose result goes there: its folders, or the nearest
 * existing ancestor.
 * @throws RunError naming the folder and the reason
 */
export async function checkWritable(dir: string): Promise<void> {
  const { checkpoints, samples } = runPaths(dir);
  for (const path of [await nearestFolder(resolve(dir)), checkpoints, samples])
    await checkFolderWritable(path);
}

/**
 * Checks that files could be written in a folder, if it exists.
 * @param path what would be written, for the message
 * @throws RunError naming it and the reason
 */
export async function checkFolderWritable(folder: string, path = folder): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found && !found.isDirectory())
    throw new RunError(`cannot write ${path}: expected a folder, got a file`);
  await access(folder, constants.W_OK | constants.X_OK).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw asRunError(path, error);
  });
}

/** The path itself, or its nearest existing ancestor. */
async function nearestFolder(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found || dirname(path) === path ? path : nearestFolder(dirname(path));
}

/**
 * Makes a run usable again if its folder was deleted or moved while it trains.
 * @param hold called once the folder exists, to lock it
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

/** Replaces config.json, for a resume that changes the length of training. @throws RunError */
export async function writeConfig(paths: RunPaths, config: Json): Promise<void> {
  await writeFileAtomically(paths.config, `${JSON.stringify(config, null, 2)}\n`);
}

/** Size limit of config.json and state.json in bytes; real ones have some thousand. */
const LONGEST_JSON = 1 << 20;

/** A JSON object from a file that users may have edited. @throws UsageError */
export async function readJsonFile(path: string): Promise<Json> {
  const text = await readSmallFile(path, LONGEST_JSON).catch((error: unknown) => ({ error }));
  return parseJsonFile(path, text);
}

/**
 * The same synchronously, for small files that settings name.
 * @param correct fixes the text of a file that another program wrote, before it is parsed
 * @throws UsageError
 */
export function readJsonFileSync(path: string, correct = (text: string) => text): Json {
  let text: string | { error: unknown };
  try {
    const stats = statSync(path);
    checkPlain(path, stats);
    if (stats.size > LONGEST_JSON)
      throw new UsageError(
        `${path}: expected a file of at most ${LONGEST_JSON} bytes, got a longer one`,
      );
    text = correct(readFileSync(path, 'utf8'));
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

/** Whether `path` is a file; false if it does not exist. */
export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

/** The same at once, for code that reads settings. */
export function isFileSync(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    // Also for a path through a file: `throwIfNoEntry: false` does not cover that on Node 20.
    return false;
  }
}

/** Whether `path` is a folder; false if it does not exist. */
export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** Makes a folder and its missing ancestors; resolves to the first that was made. */
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
