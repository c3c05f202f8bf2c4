import { readCondition } from '../config/condition.js';
import { JsonObject } from '../config/json.js';
import { pictureShape } from '../config/picture-shape.js';
import { readSampling } from '../config/sampling.js';
import { conditionalOf } from '../config/site.js';
import { kindOf, mostSteps, SAMPLER_NAMES } from '../diffusion/samplers.js';
import { processors } from '../engine/host/browser-scope.js';
import type { Build } from '../engine/module.js';
import { MOST_OF_CLASSES, usualCount } from '../sample/class-rows.js';
import type { OpenSite } from './open-site.js';
import type { About } from './protocol.js';

/** What a page can offer for an open model. */
export function aboutOf({ site }: OpenSite, build: Build): About {
  const { model, autoencoder, diffusion, sampling, classes, guide } = site;
  const { timesteps, objective = 'epsilon' } = diffusion;
  const usual = (settings: object) =>
    readSampling(new JsonObject('model', settings, 'all'), diffusion, sampling);
  const own = usual({}).sampler;
  const others = SAMPLER_NAMES.filter(
    (name) => name !== own && kindOf(name).objectives.includes(objective),
  );
  return {
    ...pictureShape(model, autoencoder),
    latents: autoencoder && { size: model.size, channels: model.channels },
    classes: classes?.names ?? [],
    none: classes !== null && classes.none !== null,
    guide: guide?.guidance ?? null,
    samplers: [own, ...others].map((name) => ({ name, steps: usual({ sampler: name }).steps })),
    mostSteps: mostSteps({ timesteps, objective }),
    count: usualOf(site),
    build,
    processors: processors(),
  };
}

/** A model whose classes are any numbers has no default condition. */
function usualOf(site: OpenSite['site']): number {
  const named = site.classes === null || site.classes.names.length > 0;
  const source = new JsonObject('model', named ? {} : { class: 0 }, 'all');
  return usualCount(readCondition(source, 'the model', conditionalOf(site)), MOST_OF_CLASSES);
}
