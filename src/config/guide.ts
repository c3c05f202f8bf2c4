/** What guides the images that a model draws: their classes, or other weights (autoguidance). */
import { isDeepStrictEqual } from 'node:util';
import type { Condition } from '../diffusion/guidance.js';
import { UsageError } from '../errors.js';
import { resolveModel } from '../io/model-source.js';
import { checkNetworkOf } from '../io/weights.js';
import { classRows } from '../network/classes.js';
import { readGuided } from './condition.js';
import type { ModelConfig } from './config.js';
import { JsonObject } from './json.js';
import { type OpenModel, openModel } from './open-model.js';
import { show } from './show.js';
import type { Source } from './source.js';

/** Other weights that guide a model: m = m_guide + W·(m − m_guide), autoguidance (Karras et al. 2024). */
export interface Guide {
  /** Path of the file of weights, as `readWeights` takes it, and their network. */
  readonly weights: string;
  readonly model: ModelConfig;
  /** W. */
  readonly guidance: number;
}

/** The condition of the images, and their guide. */
export interface Drawn {
  /** Classes of the images, for a class-conditional network. */
  readonly condition: Condition | null;
  /** If set, the condition does not guide. */
  readonly guide: Guide | null;
}

/**
 * Classes and guide of the images. Without `guide`, the run's own is used, if it kept one.
 * @param path the model, for messages
 * @throws UsageError as `readCondition`, and for a guide that is not a model or predicts something else
 */
export async function readDrawn(source: Source, path: string, of: OpenModel): Promise<Drawn> {
  const asked = source.text('guide');
  const chosen = asked === 'none' ? null : (asked ?? of.guide);
  const { condition, guidance } = readGuided(source, path, of, chosen !== null);
  if (chosen === null) return { condition, guide: null };
  if (asked === undefined) {
    if (guidance === null) return { condition, guide: null };
    await checkNetworkOf(chosen, of.model, path);
    return { condition, guide: { weights: chosen, model: of.model, guidance } };
  }
  try {
    // One that does not take part, with a guidance of 1, must be a guide, too.
    const guide = await open(chosen, path, of);
    return { condition, guide: guidance === null ? null : { ...guide, guidance } };
  } catch (error) {
    if (error instanceof UsageError)
      throw new UsageError(`${source.where('guide')}: ${error.message}`);
    throw error;
  }
}

/**
 * The guide alone, for code that draws for others, who choose the classes.
 * @throws UsageError as `readDrawn`
 */
export async function readGuideOf(
  source: Source,
  path: string,
  of: OpenModel,
): Promise<Guide | null> {
  if (source.text('guide') === 'none' || (of.guide === null && !source.has('guide'))) {
    if (source.has('guidance'))
      throw new UsageError(`${source.where('guidance')}: belongs to a guide, and there is none`);
    return null;
  }
  return (await readDrawn(source, path, of)).guide;
}

/** Bare weights are taken to be of the same network and objective. */
async function open(guide: string, path: string, of: OpenModel) {
  if ((await resolveModel(guide)).kind === 'weights') {
    await checkNetworkOf(guide, of.model, path);
    return { weights: guide, model: of.model };
  }
  const opened = await openModel(guide, new JsonObject(guide, {}, 'all'));
  checkAlike(guide, path, of, opened);
  return { weights: opened.weights, model: opened.model };
}

/** @throws UsageError unless both predict the same quantity for the same images */
function checkAlike(named: string, path: string, of: OpenModel, guide: OpenModel): void {
  const fields = (model: OpenModel): Record<string, unknown> => {
    const { loss: _, ...forward } = model.diffusion;
    const { size, channels } = model.model;
    const numClasses = classRows(model.model);
    return { size, channels, numClasses, objective: 'epsilon', ...forward };
  };
  const [own, other] = [fields(of), fields(guide)];
  for (const name of new Set([...Object.keys(own), ...Object.keys(other)]))
    if (!isDeepStrictEqual(own[name], other[name]))
      throw new UsageError(
        `${named}: expected a model for the same images and noise as ${path}, whose ${name} is ${show(own[name])}, got ${show(other[name])}`,
      );
}
