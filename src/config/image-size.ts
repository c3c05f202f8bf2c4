/**
 * The size of a diffusers folder's images. `sample_size` of a dit is the size whose positions it learned, which need not be that of its
 * images; then `image_size` in model_index.json, Haze's own addition, gives the latter.
 */
import { UsageError } from '../errors.js';
import { show } from '../io/json.js';
import { readJsonFileSync } from '../io/run.js';
import { LARGEST_SIDE } from '../network/limits.js';
import type { ModelConfig } from './config.js';

const KEY = 'image_size';

/** Whether positions are those of images of another size. */
export const isStretched = (model: ModelConfig): boolean =>
  model.kind === 'dit' && model.baseSize !== model.size;

/** The key for a model_index.json, if the network's config does not say it. */
export const imageSizeJson = (model: ModelConfig): Record<string, unknown> =>
  isStretched(model) ? { [KEY]: model.size } : {};

/** The size in a model_index.json; undefined without. @throws UsageError for one that is no size */
export function readImageSize(index: string): number | undefined {
  const size = readJsonFileSync(index)[KEY];
  if (size === undefined) return undefined;
  if (Number.isInteger(size) && Number(size) >= 1 && Number(size) <= LARGEST_SIDE)
    return Number(size);
  throw new UsageError(
    `${index}: ${KEY}: expected a whole number from 1 to ${LARGEST_SIDE}, got ${show(size)}`,
  );
}
