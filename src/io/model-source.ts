/** Resolves a `<model>` argument: a run, one of its checkpoints, a diffusers folder, or a file of weights. */
import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { UsageError } from '../errors.js';
import { systemReason } from './atomic.js';
import { checkpointPaths, latestCheckpoint, readState } from './checkpoint.js';
import { weightsPath } from './network.js';
import { findPipeline, type Pipeline } from './pipeline.js';
import { isFile, isFileSync, runPaths } from './run.js';

/** A model and its files. `weights` is its file of weights; `config` the config.json that overrides flags. */
export type ModelSource =
  | { kind: 'run'; run: string; config: string; checkpoint: string; weights: string }
  | { kind: 'checkpoint'; checkpoint: string; weights: string; config: string | undefined }
  | { kind: 'pipeline'; pipeline: Pipeline; weights: string }
  | { kind: 'weights'; weights: string };

/**
 * Determines what `path` is: for a run its latest checkpoint, for a checkpoint the config of its
 * run. A file is taken as weights; reading it shows whether it is.
 * @throws UsageError if it does not exist, for a folder without a model, and for a checkpoint whose step differs from its
 * folder's name
 */
export async function resolveModel(path: string): Promise<ModelSource> {
  const { file } = await weightsPath(path);
  if (!(await isDirectory(file))) return { kind: 'weights', weights: path };
  const pipeline = findPipeline(path);
  if (pipeline) return { kind: 'pipeline', pipeline, weights: pipeline.weights };
  const { config } = runPaths(path);
  if (await isFile(config)) {
    const checkpoint = await latestCheckpoint(path);
    if (checkpoint === undefined)
      throw new UsageError(`${path}: expected a run with a checkpoint, got one without`);
    const weights = checkpointPaths(checkpoint).model;
    await checkState(checkpoint);
    return { kind: 'run', run: path, config, checkpoint, weights };
  }
  const weights = checkpointPaths(path).model;
  if (await isFile(weights)) {
    await checkState(path);
    return { kind: 'checkpoint', checkpoint: path, weights, config: configAround(path) };
  }
  throw new UsageError(
    `${path}: expected a run (config.json), a checkpoint (model.safetensors), a diffusers pipeline ` +
      '(model_index.json) or a .safetensors file, got a folder with none of them',
  );
}

/** The config.json of the run that a folder is or is a checkpoint of; undefined for anything else. */
export function findRunConfig(path: string): string | undefined {
  const { config } = runPaths(path);
  if (isFileSync(config)) return config;
  return isFileSync(checkpointPaths(path).model) ? configAround(path) : undefined;
}

/** The config.json of the run around a checkpoint, if there is one. */
function configAround(checkpoint: string): string | undefined {
  const outer = join(dirname(dirname(resolve(checkpoint))), 'config.json');
  return isFileSync(outer) ? outer : undefined;
}

/** A checkpoint's weights may exist without its state. @throws UsageError for a state whose step differs from the folder's name */
async function checkState(checkpoint: string): Promise<void> {
  if (await isFile(checkpointPaths(checkpoint).state)) await readState(checkpoint);
}

/** The file of weights of any kind of model. @throws UsageError like `resolveModel` */
export const weightsOf = async (path: string): Promise<string> =>
  (await resolveModel(path)).weights;

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw new UsageError(`${path}: expected a model, got none: ${systemReason(error)}`);
  }
}
