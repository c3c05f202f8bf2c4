/** A model on a website, as `model.json` describes it: what a browser needs beside the weights, and nothing about the run's files. */

import { MOST_LABEL } from '../network/limits.js';
import { buildNetwork, requirePixels } from '../network/network.js';
import type { ClassLabels } from './class-labels.js';
import { type Conditional, classesOf, USUAL_GUIDANCE } from './condition.js';
import type { DiffusionConfig, ModelConfig, PixelModel } from './config.js';
import { checkDiffusion, OPTIONAL_DIFFUSION } from './diffusion.js';
import { JsonObject } from './json.js';
import { GUIDANCE } from './limits.js';
import { readForward, readModel, section } from './read-model.js';
import { readRunSampling, readSampling } from './sampling.js';
import type { SamplingDefaults } from './scheduler.js';

export interface Site {
  readonly version: 1;
  readonly model: PixelModel;
  readonly diffusion: DiffusionConfig;
  /** Default sampling settings. */
  readonly sampling: SamplingDefaults;
  /** For a class-conditional network; without names if any number is a class. */
  readonly classes: ClassLabels | null;
  /** Name of the file of weights in the same folder. */
  readonly weights: string;
  /** Other weights that guide the images. */
  readonly guide: SiteGuide | null;
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
  const root = new JsonObject(where, value, ['classes', 'guide']);
  root.whole('version', { min: 1, max: 1 });
  const diffusion = readForward(root.object('diffusion', OPTIONAL_DIFFUSION));
  checkDiffusion(diffusion);
  const sampling = section(root.object('sampling', 'all'), (o) => readDefaults(o, diffusion));
  const site: Site = {
    version: 1,
    model: checkedModel(root),
    ...{ diffusion, sampling },
    classes: readClasses(root.objectOrNull('classes', ['none'])),
    weights: root.text('weights')!,
    guide: readGuide(root.objectOrNull('guide', ['guidance'])),
  };
  root.finish();
  return site;
}

/** @throws UsageError for an invalid network */
function checkedModel(root: JsonObject): PixelModel {
  const model = readModel(root);
  requirePixels(model);
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

const readGuide = (object: JsonObject | null): SiteGuide | null =>
  object &&
  section(object, (o) => ({
    model: checkedModel(o),
    weights: o.text('weights')!,
    guidance: o.real('guidance', GUIDANCE) ?? USUAL_GUIDANCE,
  }));
