/** A model on a website, as `model.json` describes it: what a browser needs beside the weights, and nothing about the run's files. */

import { UsageError } from '../errors.js';
import type { AutoencoderConfig } from '../network/autoencoder.js';
import { MOST_LABEL } from '../network/limits.js';
import { buildNetwork } from '../network/network.js';
import { readAutoencoderFields } from './autoencoder-fields.js';
import type { ClassLabels } from './class-labels.js';
import { type Conditional, classesOf, USUAL_GUIDANCE } from './condition.js';
import type { DiffusionConfig, ModelConfig } from './config.js';
import { checkDiffusion, OPTIONAL_DIFFUSION } from './diffusion.js';
import { JsonObject } from './json.js';
import { GUIDANCE } from './limits.js';
import { pictureShape } from './picture-shape.js';
import { readForward, readModel, section } from './read-model.js';
import { readRunSampling, readSampling } from './sampling.js';
import type { SamplingDefaults } from './scheduler.js';

export interface Site {
  readonly version: 1;
  readonly model: ModelConfig;
  readonly diffusion: DiffusionConfig;
  /** Default sampling settings. */
  readonly sampling: SamplingDefaults;
  /** For a class-conditional network; without names if any number is a class. */
  readonly classes: ClassLabels | null;
  /** Name of the file of weights in the same folder. */
  readonly weights: string;
  /** Other weights that guide the images. */
  readonly guide: SiteGuide | null;
  /** What decodes the images, which are latents; null for pixels. */
  readonly autoencoder: SiteAutoencoder | null;
}

/** An autoencoder, of which a browser needs the decoder alone. */
export interface SiteAutoencoder {
  readonly config: AutoencoderConfig;
  /** Name of the file of the decoder's weights. */
  readonly weights: string;
}

interface SiteGuide {
  readonly model: ModelConfig;
  readonly weights: string;
  /** Default W. */
  readonly guidance: number;
}

/** What a website says about its model's classes. */
export const siteClasses = (of: Conditional): ClassLabels | null => classesOf(of);

/** A site's model, for reading its classes. */
export const conditionalOf = ({ model, classes }: Site): Conditional => ({
  model,
  run: null,
  classLabels: classes,
});

/**
 * Reads a site's description; `where` names it in messages.
 * @throws UsageError naming the field, with what was expected and what was found
 */
export function parseSite(where: string, value: unknown): Site {
  const root = new JsonObject(where, value, ['classes', 'guide', 'autoencoder']);
  root.whole('version', { min: 1, max: 1 });
  const diffusion = readForward(root.object('diffusion', OPTIONAL_DIFFUSION));
  checkDiffusion(diffusion);
  const sampling = section(root.object('sampling', 'all'), (o) => readDefaults(o, diffusion));
  const model = checkedModel(root);
  const site: Site = {
    version: 1,
    ...{ model, diffusion, sampling },
    classes: readClasses(root.objectOrNull('classes', ['none'])),
    weights: root.text('weights')!,
    guide: readGuide(root.objectOrNull('guide', ['guidance']), model),
    autoencoder: readAutoencoder(root.objectOrNull('autoencoder'), model),
  };
  root.finish();
  pictureShape(model, site.autoencoder);
  return site;
}

/** @throws UsageError for an invalid network */
function checkedModel(root: JsonObject): ModelConfig {
  const model = readModel(root);
  buildNetwork(model, model.size);
  return model;
}

function readDefaults(o: JsonObject, diffusion: DiffusionConfig): SamplingDefaults {
  const clampsAll = o.boolean('clampsAll') ?? false;
  const sampling = { ...readRunSampling(o, diffusion), clampsAll };
  readSampling(new JsonObject(o.path, {}, 'all'), diffusion, sampling);
  return sampling;
}

const readClasses = (object: JsonObject | null): ClassLabels | null =>
  object &&
  section(object, (o) => ({
    names: o.has('names') ? o.texts('names')! : [],
    none: o.whole('none', { min: 0, max: MOST_LABEL }) ?? null,
  }));

const readGuide = (object: JsonObject | null, { channels }: ModelConfig): SiteGuide | null =>
  object &&
  section(object, (o) => {
    const model = checkedModel(o);
    if (model.channels !== channels)
      throw otherChannels(o.where('model'), channels, model.channels);
    return {
      model,
      weights: o.text('weights')!,
      guidance: o.real('guidance', GUIDANCE) ?? USUAL_GUIDANCE,
    };
  });

const readAutoencoder = (
  object: JsonObject | null,
  { channels }: ModelConfig,
): SiteAutoencoder | null =>
  object &&
  section(object, (o) => {
    const config = section(o.object('config'), readAutoencoderFields);
    const { latentChannels } = config;
    if (latentChannels !== channels)
      throw otherChannels(o.where('config'), channels, latentChannels);
    return { config, weights: o.text('weights')! };
  });

const otherChannels = (where: string, expected: number, got: number): UsageError =>
  new UsageError(`${where}: expected ${expected} channels, as the model has, got ${got}`);
