/** `haze sample` for programs: images from a model on disk, as arrays instead of pictures. */
import { nameOfLabel } from '../config/condition.js';
import type { ModelConfig } from '../config/config.js';
import { readCount } from '../config/drawing.js';
import { JsonObject } from '../config/json.js';
import type { PictureShape } from '../config/picture-shape.js';
import { REDRAW_SETTINGS } from '../config/redraw.js';
import { type Condition, labelOf } from '../diffusion/guidance.js';
import { MOST_OF_CLASSES, usualCount } from '../sample/class-rows.js';
import type { SampleEvent, SampleOptions, SampleResult } from '../sample/options.js';
import { sample as sampleWeights } from '../sample/sample.js';
import { type AnySamplingSettings, type DrawSettings, readDraw, split } from './draw.js';
import { withOwnArrays } from './own-arrays.js';
import { type RedrawSettings, readRedraw } from './redraw.js';
import { settingsOf } from './settings-of.js';
import { asProgram } from './spelling.js';

/** How to sample. The settings are the flags of `haze sample`, with the flags' defaults. */
export interface SampleSettings
  extends Omit<DrawSettings<SampleEvent>, 'sampler'>,
    AnySamplingSettings,
    RedrawSettings {
  /** Images. Default 16; for a model of several classes whole rows of all, up to 48. E.g. `count: 36`. */
  readonly count?: number;
  /**
   * Moments of the reverse process to keep, evenly spaced, and of how many of the first images. Default none.
   * E.g. `frames: { moments: 10, images: 4 }`.
   */
  readonly frames?: { readonly moments: number; readonly images: number };
}

/** Images, and the model that drew them. */
export interface Samples extends SampleResult {
  readonly model: ModelConfig;
  /** Side and channels of the images, for `toImages`: the model's, or of a model of latents those of decoded pictures. */
  readonly pictures: PictureShape;
  /** The class of each image; null for an unconditional model. */
  readonly classes: readonly string[] | null;
}

/**
 * Draws images from a run, a checkpoint folder or a file of weights.
 * @throws UsageError if it is not a model, and for settings that are invalid or differ from the run's.
 */
export const sample = (model: string, settings: SampleSettings = {}): Promise<Samples> =>
  asProgram('sample', () => draw(model, settingsOf('sample', withOwnArrays(settings))));

async function draw(model: string, settings: SampleSettings): Promise<Samples> {
  const { frames, ...all } = settings;
  const [given, rest] = split(all, REDRAW_SETTINGS);
  const { asked, ...options } = await readDraw('sample', model, rest, (source) => ({
    asked: readCount(source),
  }));
  const count = asked ?? usualCount(options.condition, MOST_OF_CLASSES);
  const moments = readFrames('sample', frames, count);
  const redraw = await readRedraw('sample', given, options.pictures);
  const result = await sampleWeights({
    ...{ ...options, count, frames: moments },
    redrawing: redraw?.redrawing ?? null,
    notes: [...options.notes, ...(redraw?.notes ?? [])],
  });
  const { model: network, pictures } = options;
  return { ...result, model: network, pictures, classes: classesOf(options, count) };
}

/** The class of each image. */
export const classesOf = ({ condition, classNames }: Drawn, count: number): Samples['classes'] =>
  condition &&
  Array.from({ length: count }, (_, k) => nameOfLabel(classNames, labelOf(condition, k)));

interface Drawn {
  readonly condition: Condition | null;
  readonly classNames: readonly string[];
}

/** @throws UsageError for invalid moments or images */
export function readFrames(
  where: string,
  frames: SampleSettings['frames'],
  count: number,
): SampleOptions['frames'] {
  if (frames === undefined) return null;
  const object = new JsonObject(`${where}.frames`, frames);
  const moments = object.whole('moments', { min: 1, max: 100_000 })!;
  const images = object.whole('images', { min: 1, max: count })!;
  object.finish();
  return { moments, images };
}
