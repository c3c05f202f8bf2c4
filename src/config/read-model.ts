/** Reads a network and its forward process from a file that has all of their fields. */
import { UsageError } from '../errors.js';
import type { DiffusionConfig, ModelConfig } from './config.js';
import { readDiffusion, readObjective } from './diffusion.js';
import type { JsonObject } from './json.js';
import { KINDS } from './network-fields.js';
import { nullableFields, readWhole } from './network-settings.js';

/** The field `model`. Older files name no network, which was the only one; and `numClasses` was called `classes`, always null. */
export function readModel(root: JsonObject): ModelConfig {
  const kind = root.object('model', ['kind']).oneOf('kind', KINDS) ?? 'simple';
  return section(root.object('model', ['kind', 'classes', ...nullableFields(kind)]), (o) => {
    o.text('kind');
    if (kind === 'unet2d' && o.text('classes') !== undefined)
      throw new UsageError(`${o.where('classes')}: expected null; its name is numClasses`);
    return readWhole(kind, o);
  });
}

/** Older files name no objective: it was the noise. */
export const readForward = (object: JsonObject): DiffusionConfig =>
  section(object, (o) => ({ ...readDiffusion(o), ...readObjective(o) }) as DiffusionConfig);

/** Reads an object, and refuses fields that `read` did not read. */
export function section<T>(object: JsonObject, read: (object: JsonObject) => T): T {
  const result = read(object);
  object.finish();
  return result;
}
