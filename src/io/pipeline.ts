/**
 * Folders in diffusers' layout: a pipeline, nested (`unet/` or `transformer/`, and `scheduler/`) or flat like google/ddpm-*, or a
 * model alone. Their configs are read elsewhere.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../errors.js';
import { show } from './json.js';
import { isFileSync, readJsonFileSync } from './run.js';

/** The files of such a folder. */
export interface Pipeline {
  /** Its model_index.json; missing for a model alone. */
  readonly index: string | undefined;
  /** The network's config.json. */
  readonly config: string;
  readonly weights: string;
  /** scheduler_config.json; optional for a model alone. */
  readonly scheduler: string | undefined;
  /** The class that the index has for it, if it has any: diffusers makes one of this class, whatever the scheduler's file says. */
  readonly schedulerClass?: string | undefined;
}

/** Pipelines of a network and a scheduler: by class, the network's name in it. */
const NETWORKS = {
  DDPMPipeline: 'unet',
  DDIMPipeline: 'unet',
  DiTPipeline: 'transformer',
} as const;

export type PipelineClass = keyof typeof NETWORKS;

const INDEX = 'model_index.json';
const CONFIG = 'config.json';
const SCHEDULER = 'scheduler_config.json';
const STEM = 'diffusion_pytorch_model';

/**
 * The files of a diffusers folder; undefined for anything else.
 * @throws UsageError for a pipeline of another class, or one that lacks a file
 */
export function findPipeline(folder: string): Pipeline | undefined {
  const index = join(folder, INDEX);
  if (isFileSync(index)) return pipeline(folder, index);
  const config = join(folder, CONFIG);
  if (!isFileSync(config) || readJsonFileSync(config)._class_name === undefined) return undefined;
  const scheduler = join(folder, SCHEDULER);
  return {
    index: undefined,
    config,
    weights: weightsIn(folder),
    scheduler: isFileSync(scheduler) ? scheduler : undefined,
  };
}

/** Paths for writing a pipeline, and the network's name in its index. */
export function pipelinePaths(folder: string, of: PipelineClass) {
  const part = NETWORKS[of];
  const [network, scheduler] = [join(folder, part), join(folder, 'scheduler')];
  return {
    part,
    index: join(folder, INDEX),
    folders: [network, scheduler],
    config: join(network, CONFIG),
    weights: join(network, `${STEM}.safetensors`),
    scheduler: join(scheduler, SCHEDULER),
  };
}

function pipeline(folder: string, index: string): Pipeline {
  const { _class_name: name, ...parts } = readJsonFileSync(index);
  if (!isClass(name))
    throw new UsageError(
      `${index}: _class_name: expected ${Object.keys(NETWORKS).join(' or ')}, got ${show(name)}`,
    );
  if (classIn(parts.vae) !== undefined)
    throw new UsageError(
      `${index}: vae: expected none, since Haze's networks have pixels and no latents, got ${show(parts.vae)}`,
    );
  const config = first(folder, NETWORKS[name], CONFIG);
  const scheduler = first(folder, 'scheduler', SCHEDULER);
  const schedulerClass = classIn(parts.scheduler);
  return { index, config, weights: weightsIn(join(config, '..')), scheduler, schedulerClass };
}

const isClass = (name: unknown): name is PipelineClass =>
  typeof name === 'string' && Object.hasOwn(NETWORKS, name);

/** The class of a part of the index, [library, class]. */
function classIn(part: unknown): string | undefined {
  const name: unknown = Array.isArray(part) ? part[1] : undefined;
  return typeof name === 'string' ? name : undefined;
}

/** A file in the subfolder, or beside the index. */
function first(folder: string, part: string, name: string): string {
  const places = [join(folder, part, name), join(folder, name)];
  const found = places.find(isFileSync);
  if (found !== undefined) return found;
  throw new UsageError(`${folder}: expected ${places[0]} or ${places[1]}, got neither`);
}

/** The file of weights: safetensors before pickles, full precision before variants such as `fp16`. */
function weightsIn(folder: string): string {
  const names = readdirSync(folder).sort();
  for (const extension of ['safetensors', 'bin']) {
    const found =
      names.find((name) => name === `${STEM}.${extension}`) ??
      names.find((name) => new RegExp(`^${STEM}\\.[\\w-]+\\.${extension}$`).test(name));
    if (found !== undefined) return join(folder, found);
  }
  const sharded = names.find((name) => name.startsWith(STEM));
  throw new UsageError(
    `${folder}: expected ${STEM}.safetensors or .bin, got ${sharded === undefined ? 'neither' : `${sharded}, in shards, which are not supported`}`,
  );
}
