/**
 * A checkpoint has everything that training needs to continue: a folder `step-N` with the model, Adam's moments and
 * the loop's state. It is written under a temporary name, synced to disk and renamed, so a crash at any byte
 * leaves the last good one; `latest` names the newest.
 *
 * Hidden names in the folder are left by a crash: `.step-N.tmp` was being written; `.step-N.old` was
 * being replaced or removed, and stands in for `step-N` if the crash came between the two renames.
 */
import type { Dirent } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { OptimizerState } from '../contracts/device.js';
import { UsageError } from '../errors.js';
import type { StateDict } from '../network/state.js';
import { asRunError, syncFolder, writeFileAtomically, writeSynced } from './atomic.js';
import { removeTemporaries } from './clean-up.js';
import { show } from './json.js';
import { optimizerTensors, readOptimizer } from './optimizer-file.js';
import { readSmallFile } from './plain-file.js';
import { moveOver, PATIENTLY } from './rename.js';
import { isFile, isFolder, type Json, readJsonFile, runPaths } from './run.js';
import { readHeader, writeTensors } from './safetensors.js';
import { readWeights } from './weights.js';

/**
 * The contents of a checkpoint beside its step. `state` is the training loop's own (epoch, build, …). The others are
 * called one after the other, so that at most one of them is in memory.
 */
export interface Checkpoint {
  model(): Promise<StateDict>;
  optimizer(): Promise<OptimizerState>;
  readonly state: Json;
  /** Averages of the weights by their decays, each loaded separately. */
  readonly averages?: ReadonlyMap<number, () => Promise<StateDict>>;
  /** What a run has beside these: tensors by the names of their files, each called for by itself, after all of the above. */
  readonly others?: ReadonlyMap<string, () => Promise<TensorPart>>;
}

/** What a file of tensors holds. */
export interface TensorPart {
  readonly tensors: StateDict;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The files of the checkpoint folder `dir`. */
export function checkpointPaths(dir: string) {
  return {
    dir,
    model: join(dir, 'model.safetensors'),
    optimizer: join(dir, 'optimizer.safetensors'),
    state: join(dir, 'state.json'),
    average: (decay: number) => join(dir, `ema-${decay}.safetensors`),
    other: (name: string) => join(dir, `${name}.safetensors`),
  };
}

/**
 * Writes checkpoint `step` of a run, makes it the latest, then removes old ones so that `keep` (1 or more)
 * remain. Resolves to its folder.
 * @throws RunError with path and reason (disk full, no permission), or errors of a part; earlier checkpoints
 * survive.
 */
export async function writeCheckpoint(
  runDir: string,
  step: number,
  checkpoint: Checkpoint,
  keep: number,
): Promise<string> {
  const { checkpoints } = runPaths(runDir);
  const name = `step-${step}`;
  const final = join(checkpoints, name);
  const temporary = join(checkpoints, `.${name}.tmp`);
  try {
    await mkdir(checkpoints, { recursive: true });
    await cleanUp(checkpoints);
    await writeFolder(temporary, step, checkpoint);
    await replaceFolder(temporary, final);
    await writeFileAtomically(join(checkpoints, 'latest'), `${name}\n`);
    await removeOld(checkpoints, step, keep);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw asRunError(final, error);
  }
  return final;
}

/**
 * Opens a checkpoint folder, whose parts are read on demand.
 * @param decays of the averages that it should have
 * @throws UsageError if a file is missing or invalid; so do the parts
 */
export async function openCheckpoint(
  dir: string,
  decays: readonly number[] = [],
): Promise<Required<Omit<Checkpoint, 'others'>> & { step: number }> {
  const paths = checkpointPaths(dir);
  const averages = decays.map(paths.average);
  for (const path of [paths.model, paths.optimizer, paths.state, ...averages])
    if (!(await isFile(path)))
      throw new UsageError(`${dir}: expected a checkpoint, got a folder without ${path}`);
  const { step, ...state } = await readState(dir);
  return {
    step,
    state,
    model: () => weightsAt(paths.model, step),
    optimizer: () => readOptimizer(paths.optimizer, step),
    averages: new Map(decays.map((decay) => [decay, () => weightsAt(paths.average(decay), step)])),
  };
}

/**
 * The weights of a checkpoint's file. Checkpoints of older versions do not say which step theirs are from.
 * @throws UsageError if they are from another step
 */
async function weightsAt(path: string, step: number): Promise<StateDict> {
  const { metadata } = await readHeader(path);
  if (metadata.step !== undefined && metadata.step !== String(step))
    throw new UsageError(
      `${path}: __metadata__: step: expected ${step}, the checkpoint's step, got ${show(metadata.step)}`,
    );
  return readWeights(path);
}

/**
 * The part of a checkpoint that is not tensors.
 * @throws UsageError for an invalid step, and for one that differs from the folder's name
 */
export async function readState(dir: string): Promise<Json & { step: number }> {
  const path = checkpointPaths(dir).state;
  const { step, ...state } = await readJsonFile(path);
  if (!isCount(step))
    throw new UsageError(`${path}: step: expected a whole number, got ${show(step)}`);
  const named = stepOf(basename(dir));
  if (named !== undefined && named !== step)
    throw new UsageError(
      `${path}: step: expected ${named}, the number in the folder's name, got ${step}`,
    );
  return { step, ...state };
}

/** The step in the name of a checkpoint's folder, also of a set-aside one; undefined for other names. */
function stepOf(name: string): number | undefined {
  const own = /^\.(.+)\.old$/.exec(name)?.[1] ?? name;
  return STEP.test(own) ? Number(own.slice('step-'.length)) : undefined;
}

/**
 * The folder of a run's newest checkpoint, or undefined if it has none. `latest` decides; if it is
 * missing or invalid, the highest step does.
 */
export async function latestCheckpoint(runDir: string): Promise<string | undefined> {
  const { checkpoints } = runPaths(runDir);
  const named = await readLatest(checkpoints);
  for (const name of named ? [named, `.${named}.old`] : [])
    if (await isFolder(join(checkpoints, name))) return join(checkpoints, name);
  const [newest] = (await listSteps(checkpoints)).sort((a, b) => b - a);
  return newest === undefined ? undefined : join(checkpoints, `step-${newest}`);
}

async function writeFolder(dir: string, step: number, checkpoint: Checkpoint): Promise<void> {
  const paths = checkpointPaths(dir);
  await mkdir(dir);
  const states = [
    [paths.model, checkpoint.model],
    ...[...(checkpoint.averages ?? [])].map(
      ([decay, state]) => [paths.average(decay), state] as const,
    ),
  ] as const;
  const metadata = { format: 'pt', step: String(step) };
  for (const [path, state] of states)
    await writeSynced(path, async (file) => writeTensors(file, await state(), metadata));
  const others = [
    [paths.optimizer, async () => optimizerTensors(await checkpoint.optimizer())],
    ...[...(checkpoint.others ?? [])].map(([name, part]) => [paths.other(name), part] as const),
  ] as const;
  for (const [path, part] of others)
    await writeSynced(path, async (file) => {
      const { tensors, metadata } = await part();
      await writeTensors(file, tensors, metadata);
    });
  await writeSynced(paths.state, (file) =>
    file.writeFile(`${JSON.stringify({ step, ...checkpoint.state }, null, 2)}\n`),
  );
  await syncFolder(dir);
}

/** Renames a folder; one that already has the name (after a resume) is kept until that is done. */
async function replaceFolder(from: string, to: string): Promise<void> {
  const old = oldName(to);
  const exists = await isFolder(to);
  if (exists) await moveOver(to, old);
  try {
    await moveOver(from, to);
  } catch (error) {
    if (exists) await moveOver(old, to);
    throw error;
  }
  await syncFolder(join(to, '..'));
  if (exists) await rm(old, PATIENTLY);
}

/**
 * Removes what a crash left in a run's checkpoints; a set-aside one that is still needed gets its name back. The caller
 * holds the run's lock.
 * @throws RunError
 */
export async function removeLeftCheckpoints(runDir: string): Promise<void> {
  const { checkpoints } = runPaths(runDir);
  if (!(await isFolder(checkpoints))) return;
  await cleanUp(checkpoints).catch((error: unknown) => {
    throw asRunError(checkpoints, error);
  });
}

/** Only names that this file gives: anything else in the folder is not ours. */
async function cleanUp(checkpoints: string): Promise<void> {
  const latest = await readLatest(checkpoints);
  await removeTemporaries(checkpoints, (base) => base === 'latest');
  const entries: Dirent[] = await readdir(checkpoints, { withFileTypes: true });
  for (const entry of entries) {
    const { name } = entry;
    const of = /^\.(.+)\.(?:tmp|old)$/.exec(name)?.[1];
    if (of === undefined || !STEP.test(of) || !entry.isDirectory()) continue;
    const path = join(checkpoints, name);
    const replaced =
      of === latest && name.endsWith('.old') && !(await isFolder(join(checkpoints, latest)));
    if (replaced) await moveOver(path, join(checkpoints, latest));
    else await rm(path, PATIENTLY);
  }
}

/**
 * Keeps the checkpoint just written and the `keep − 1` nearest before it. Later steps can only belong to an
 * abandoned continuation (training was resumed from an older one): they are removed first.
 */
async function removeOld(checkpoints: string, step: number, keep: number): Promise<void> {
  const others = (await listSteps(checkpoints)).filter((n) => n !== step);
  others.sort((a, b) => Number(a > step) - Number(b > step) || b - a);
  for (const n of others.slice(Math.max(0, keep - 1))) {
    const path = join(checkpoints, `step-${n}`);
    await moveOver(path, oldName(path)); // Atomic, so that a crash does not leave half a checkpoint.
    await rm(oldName(path), PATIENTLY);
  }
}

const oldName = (dir: string): string => dir.replace(/(step-\d+)$/, '.$1.old');

/** The steps of the existing checkpoints. */
async function listSteps(checkpoints: string): Promise<number[]> {
  const names = await readdir(checkpoints).catch(() => []);
  return names.filter((name) => STEP.test(name)).map((name) => Number(name.slice('step-'.length)));
}

/** The name in `latest`, or undefined if it is missing or not a checkpoint's. */
async function readLatest(checkpoints: string): Promise<string | undefined> {
  const text = await readSmallFile(join(checkpoints, 'latest'), LONGEST_NAME).catch(() => '');
  return STEP.test(text.trim()) ? text.trim() : undefined;
}

/** Bytes of `latest`, plus a few that an editor may have added. */
const LONGEST_NAME = 64;

const STEP = /^step-(0|[1-9]\d{0,14})$/;

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;
