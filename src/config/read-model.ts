/** What a file says of a network and of its forward process, all of it. */
import { UsageError } from '../errors.js';
import type { DiffusionConfig, ModelConfig } from './config.js';
import { readDiffusion, readObjective } from './diffusion.js';
import type { JsonObject } from './json.js';
import { KINDS } from './network-fields.js';
import { nullableFields, readWhole } from './network-settings.js';

/** The field `model`. Before there was a second network none was named; before data had classes, `numClasses` was called so, and null. */
export function readModel(root: JsonObject): ModelConfig {
  const kind = root.object('model', ['kind']).oneOf('kind', KINDS) ?? 'simple';
  return section(root.object('model', ['kind', 'classes', ...nullableFields(kind)]), (o) => {
    o.text('kind');
    if (kind === 'unet2d' && o.text('classes') !== undefined)
      throw new UsageError(`${o.where('classes')}: expected null; its name is numClasses`);
    return readWhole(kind, o);
  });
}

/** Before there was another objective none was named: the noise. */
export const readForward = (object: JsonObject): DiffusionConfig =>
  section(object, (o) => ({ ...readDiffusion(o), ...readObjective(o) }) as DiffusionConfig);

/** Reads an object with no field left over. */
export function section<T>(object: JsonObject, read: (object: JsonObject) => T): T {
  const result = read(object);
  object.finish();
  return result;
}
