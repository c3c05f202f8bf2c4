/** A job that draws images: everything that determines them. Data from Redis are validated like any other input. */

import { isDeepStrictEqual } from 'node:util';
import { COMPUTING_DEFAULTS, readSeed } from '../config/computing.js';
import type {
  ComputingConfig,
  DiffusionConfig,
  ModelConfig,
  SamplingConfig,
} from '../config/config.js';
import {
  checkDiffusion,
  OPTIONAL_DIFFUSION,
  readDiffusion,
  readObjective,
} from '../config/diffusion.js';
import { JsonObject } from '../config/json.js';
import { GUIDANCE, MOST_BATCH } from '../config/limits.js';
import { checkModel } from '../config/model.js';
import { KINDS } from '../config/network-fields.js';
import { nullableFields, readWhole } from '../config/network-settings.js';
import { pictureShape } from '../config/picture-shape.js';
import { section } from '../config/read-model.js';
import { readRunSampling } from '../config/sampling.js';
import { checkSampler } from '../diffusion/check-sampler.js';
import type { Condition } from '../diffusion/guidance.js';
import { UsageError } from '../errors.js';
import { MOST_LABEL } from '../network/limits.js';
import { requirePixels } from '../network/network.js';
import { type AutoencoderBlob, readAutoencoderBlob } from './autoencoder-blob.js';
import { type Blob, readBlob } from './blob.js';
import { hashOf } from './job-id.js';
import { MOST_BYTES } from './keys.js';

/** What the images of a run have in common. */
export interface Recipe {
  readonly weights: Blob;
  readonly model: ModelConfig;
  /** What decodes the images of a model of latents; null for one of pixels. */
  readonly autoencoder: AutoencoderBlob | null;
  readonly diffusion: DiffusionConfig;
  readonly sampling: SamplingConfig;
  readonly condition: Condition | null;
  readonly guide: GuideBlob | null;
  readonly seed: number;
  /** Largest number of images per batch; with batch statistics the exact number. */
  readonly batch: number;
}

/** Other weights that the model is guided by. */
export interface GuideBlob {
  readonly weights: Blob;
  readonly model: ModelConfig;
  readonly guidance: number;
}

export interface GenerateJob {
  readonly build: string;
  readonly recipe: Recipe;
  /** Image numbers, at most one batch. */
  readonly images: readonly number[];
}

/** Bytes of an image, decoded if it is to be: u8 [size, size, channels]. */
export function bytesOfImage({
  model,
  autoencoder,
}: Pick<Recipe, 'model' | 'autoencoder'>): number {
  const { size, channels } = pictureShape(model, autoencoder);
  return size * size * channels;
}

/** `images 16 to 31`. */
export const imagesInWords = (images: readonly number[]): string =>
  images.length === 1 ? `image ${images[0]}` : `images ${images[0]} to ${images.at(-1)}`;

/** The number of a job, which follows from what it makes. */
export const idOf = (value: GenerateJob | Recipe): string => hashOf('g', value);

/** How a worker computes: on the engine alone, whose bits do not depend on the machine. */
export const computingOf = (
  own: Pick<ComputingConfig, 'threads' | 'strict' | 'wide'>,
): ComputingConfig => ({ ...COMPUTING_DEFAULTS, ...own });

/** Image numbers have 32 bits. */
const MOST_NUMBER = 2 ** 32 - 1;
/** More than any network has. */
const MOST_LABELS = 100_000;

/**
 * Reads the data of a job, which may be damaged or hostile.
 * @throws UsageError naming the field, with what was expected and what was found
 */
export function parseJob(data: unknown): GenerateJob {
  const root = new JsonObject('job', data);
  const build = root.text('build')!;
  const recipe = section(root.object('recipe', ['autoencoder', 'condition', 'guide']), readRecipe);
  const images = root.wholes('images', { min: 0, max: MOST_NUMBER })!;
  root.finish();
  if (images.length === 0 || images.length > recipe.batch)
    throw new UsageError(
      `job.images: expected 1 to ${recipe.batch}, at most a batch, got ${images.length}`,
    );
  return { build, recipe, images };
}

function readRecipe(o: JsonObject): Recipe {
  const model = readModel(o);
  const autoencoder = readAutoencoder(o, model);
  const diffusion = section(o.object('diffusion', OPTIONAL_DIFFUSION), (d) =>
    checkDiffusion({ ...readDiffusion(d), ...readObjective(d) } as DiffusionConfig),
  );
  const batch = o.whole('batch', { min: 1, max: MOST_BATCH })!;
  const bytes = batch * bytesOfImage({ model, autoencoder });
  if (bytes > MOST_BYTES)
    throw new UsageError(
      `${o.where('batch')}: expected images of ${MOST_BYTES} bytes at most, got ${bytes}`,
    );
  const condition = readCondition(o, model);
  const guide = o.objectOrNull('guide');
  return {
    weights: section(o.object('weights'), readBlob),
    model,
    autoencoder,
    diffusion,
    sampling: section(o.object('sampling', 'all'), (s) => readSampling(s, diffusion)),
    condition,
    guide: guide && section(guide, (g) => readGuide(g, model)),
    seed: readSeed(o)!,
    batch,
  };
}

function readGuide(g: JsonObject, of: ModelConfig): GuideBlob {
  const model = readModel(g);
  const alike = ({ size, channels, ...rest }: ModelConfig) => [size, channels, classesOf(rest)];
  if (!isDeepStrictEqual(alike(model), alike(of)))
    throw new UsageError(
      `${g.where('model')}: expected the same images and classes as the model's`,
    );
  const weights = section(g.object('weights'), readBlob);
  return { weights, model, guidance: g.real('guidance', GUIDANCE)! };
}

const classesOf = (model: object): unknown => ('numClasses' in model ? model.numClasses : null);

/** @throws UsageError for one of other latents than the model's, and if there is none and these are no pixels */
function readAutoencoder(o: JsonObject, model: ModelConfig): AutoencoderBlob | null {
  const object = o.objectOrNull('autoencoder');
  if (object === null) {
    requirePixels(model);
    return null;
  }
  const autoencoder = section(object, readAutoencoderBlob);
  const { latentChannels } = autoencoder.config;
  if (latentChannels !== model.channels)
    throw new UsageError(
      `${o.where('autoencoder')}: expected latents of ${model.channels} channels, as the model has, got ${latentChannels}`,
    );
  return autoencoder;
}

function readModel(o: JsonObject): ModelConfig {
  const kind = o.object('model', 'all').oneOf('kind', KINDS);
  if (kind === undefined)
    throw new UsageError(`${o.where('model')}.kind: expected one of ${KINDS.join(', ')}`);
  return section(o.object('model', nullableFields(kind)), (m) => {
    m.text('kind');
    return checkModel(readWhole(kind, m));
  });
}

/** Complete sampling settings, as `readSampling` makes them from flags. */
function readSampling(s: JsonObject, diffusion: DiffusionConfig): SamplingConfig {
  const { timesteps, objective = 'epsilon' } = diffusion;
  const { sampler, steps, eta, norm, ...rest } = readRunSampling(s, { timesteps, objective });
  if (sampler === undefined || steps === undefined || eta === undefined || norm === undefined)
    throw new UsageError(`${s.path}: expected sampler, steps, eta and norm`);
  checkSampler({ timesteps, objective }, { ...rest, sampler, steps, eta });
  return { ...rest, sampler, steps, eta, norm };
}

function readCondition(o: JsonObject, model: ModelConfig): Condition | null {
  const told = classesOf(model) as number | 'timestep' | null;
  const object = o.objectOrNull('condition', ['none']);
  if ((object === null) !== (told === null))
    throw new UsageError(
      `${o.where('condition')}: expected ${told === null ? 'none, for a model without classes' : 'one, for a model of classes'}`,
    );
  if (object === null) return null;
  const label = { min: 0, max: typeof told === 'number' ? told - 1 : MOST_LABEL };
  return section(object, (c) => {
    const labels = c.wholes('labels', label)!;
    if (labels.length === 0 || labels.length > MOST_LABELS)
      throw new UsageError(`${c.where('labels')}: expected 1 to ${MOST_LABELS} labels`);
    const guidance = c.real('guidance', GUIDANCE)!;
    return { labels, guidance, none: c.whole('none', label) ?? null };
  });
}
