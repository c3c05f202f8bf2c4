/** A model on a website, as `model.json` describes it: what a browser needs beside the weights, and nothing of where the run was. */
import { buildNetwork } from '../network/network.js';
import type { ClassLabels } from './class-labels.js';
import { type Conditional, classesOf, classNames, USUAL_GUIDANCE } from './condition.js';
import type { DiffusionConfig, ModelConfig } from './config.js';
import { checkDiffusion, OPTIONAL_DIFFUSION } from './diffusion.js';
import { JsonObject } from './json.js';
import { readForward, readModel, section } from './read-model.js';
import { readRunSampling, readSampling } from './sampling.js';
import type { SamplingDefaults } from './scheduler.js';

export interface Site {
  readonly version: 1;
  readonly model: ModelConfig;
  readonly diffusion: DiffusionConfig;
  /** How to sample unless a visitor says otherwise. */
  readonly sampling: SamplingDefaults;
  readonly classes: SiteClasses | null;
  /** Name of the file of weights beside it. */
  readonly weights: string;
  /** Other weights that images move away from. */
  readonly guide: SiteGuide | null;
}

/** Classes by label; empty where any number is one. */
interface SiteClasses {
  readonly names: readonly string[];
  /** Whether the network knows images of none, as guidance needs. */
  readonly none: boolean;
}

interface SiteGuide {
  readonly model: ModelConfig;
  readonly weights: string;
  /** W unless a visitor says otherwise. */
  readonly guidance: number;
}

/** What a website tells of its model's classes. */
export function siteClasses(of: Conditional): SiteClasses | null {
  const known: ClassLabels | null = classesOf(of);
  return known && { names: classNames(of), none: known.none !== null };
}

/** A site's model as its classes are read from it. */
export const conditionalOf = ({ model, classes }: Site): Conditional => ({
  model,
  run:
    classes && classes.names.length > 0
      ? {
          data: { classes: { by: 'auto', names: classes.names } },
          training: { labelDropout: classes.none ? 1 : 0 },
        }
      : null,
});

/**
 * Reads a site's description; `where` names it in messages.
 * @throws UsageError naming the field, what was expected and what is there
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
    classes: readClasses(root.objectOrNull('classes')),
    weights: root.text('weights')!,
    guide: readGuide(root.objectOrNull('guide', ['guidance'])),
  };
  root.finish();
  return site;
}

/** @throws UsageError for a network that cannot be */
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

const readClasses = (object: JsonObject | null): SiteClasses | null =>
  object &&
  section(object, (o) => ({
    names: o.has('names') ? o.texts('names')! : [],
    none: o.boolean('none')!,
  }));

const readGuide = (object: JsonObject | null): SiteGuide | null =>
  object &&
  section(object, (o) => ({
    model: checkedModel(o),
    weights: o.text('weights')!,
    guidance: o.real('guidance', { min: 0, max: 1000 }) ?? USUAL_GUIDANCE,
  }));
