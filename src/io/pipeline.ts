/**
 * Folders in diffusers' layout: a pipeline, nested (`unet/` or `transformer/`, and `scheduler/`) or flat like google/ddpm-*, or a
 * model alone. Their configs are read elsewhere, and so is the autoencoder of a pipeline of latents.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../errors.js';
import { AUTOENCODER_CLASSES, AUTOENCODER_NAMES } from '../network/autoencoder.js';
import { show } from './json.js';
import { isFileSync, type Json, readJsonFileSync } from './run.js';

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
  /** The folder of its autoencoder; missing for one of pixels. */
  readonly autoencoder?: string | undefined;
}

/** The parts of a pipeline by their names in it; of pixels it has no autoencoder. */
interface Parts {
  readonly network: 'unet' | 'transformer';
  readonly autoencoder?: 'vae' | 'vqvae';
}

/** Pipelines of a network and a scheduler by class. */
const PIPELINES = {
  DDPMPipeline: { network: 'unet' },
  DDIMPipeline: { network: 'unet' },
  LDMPipeline: { network: 'unet', autoencoder: 'vqvae' },
  DiTPipeline: { network: 'transformer', autoencoder: 'vae' },
} as const satisfies Readonly<Record<string, Parts>>;

export type PipelineClass = keyof typeof PIPELINES;

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

/** Paths for writing a pipeline without its autoencoder, and the parts' names in its index. */
export function pipelinePaths(folder: string, of: PipelineClass) {
  const parts: Parts = PIPELINES[of];
  const [network, scheduler] = [join(folder, parts.network), join(folder, 'scheduler')];
  return {
    parts,
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
      `${index}: _class_name: expected ${Object.keys(PIPELINES).join(' or ')}, got ${show(name)}`,
    );
  const { network, autoencoder }: Parts = PIPELINES[name];
  checkAutoencoders(index, name, parts);
  const config = first(folder, network, CONFIG);
  const scheduler = first(folder, 'scheduler', SCHEDULER);
  return {
    ...{ index, config, weights: weightsIn(join(config, '..')), scheduler },
    schedulerClass: classIn(parts.scheduler),
    ...(autoencoder &&
      classIn(parts[autoencoder]) !== undefined && { autoencoder: join(folder, autoencoder) }),
  };
}

/** @throws UsageError for an autoencoder of another class, or one that the pipeline's class does not have */
function checkAutoencoders(index: string, of: PipelineClass, parts: Json): void {
  const { autoencoder }: Parts = PIPELINES[of];
  for (const name of ['vae', 'vqvae']) {
    const found = classIn(parts[name]);
    if (found === undefined) continue;
    const expected = name === autoencoder ? AUTOENCODER_NAMES : `none in a ${of}`;
    if (name !== autoencoder || !Object.values(AUTOENCODER_CLASSES).includes(found))
      throw new UsageError(`${index}: ${name}: expected ${expected}, got ${found}`);
  }
}

const isClass = (name: unknown): name is PipelineClass =>
  typeof name === 'string' && Object.hasOwn(PIPELINES, name);

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

/**
 * The file of weights in a model's folder: safetensors before pickles, full precision before variants such as `fp16`.
 * @throws UsageError for a folder without one
 */
export function weightsIn(folder: string): string {
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
