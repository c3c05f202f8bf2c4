import { UsageError } from '../errors.js';
import { resolveRaw } from '../io/raw-path.js';
import { throwIfMachines } from '../machine/faults.js';
import { decode, type Image, type Target } from './decode.js';
import { reasonOf } from './reason.js';
import type { Item } from './source.js';

/**
 * The pixels of one picture: a file, or `item`, which the user calls by that name.
 * @throws UsageError if it is not a picture
 */
export async function readPicture(named: string, target: Target, item?: Item): Promise<Image> {
  try {
    return await decode(item ?? { kind: 'file', path: await resolveRaw(named) }, target);
  } catch (error) {
    throwIfMachines(error, named);
    throw new UsageError(`${named}: expected a picture, got none: ${reasonOf(error)}`);
  }
}
