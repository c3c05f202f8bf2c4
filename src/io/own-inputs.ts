/** Refuses to write over what a command reads, or over another of its outputs: images or statistics would be lost without a word. */
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { UsageError } from '../errors.js';

/** A file that will be written, and the user's name for the setting. */
interface Output {
  readonly where: string;
  readonly path: string;
}

/** A file or folder that will be read. */
export interface Input {
  readonly path: string;
  /** Whether it is images: then every file in the folder may be one of them. */
  readonly images: boolean;
}

/** @throws UsageError if an output is an input, an existing file in a folder of images, or another output */
export async function refuseOwnInputs(
  outputs: readonly Output[],
  inputs: readonly Input[],
): Promise<void> {
  const before = new Map<string, string>();
  for (const { where, path } of outputs)
    for (const place of await placesOf(path)) {
      for (const input of inputs)
        if (await holds(input, place))
          throw new UsageError(
            `${where}: expected another file than those that are read, got ${path}${input.path === path ? '' : `, which belongs to ${input.path}`}`,
          );
      const other = before.get(place);
      if (other !== undefined && other !== where)
        throw new UsageError(`${where}: expected another file than that of ${other}, got ${path}`);
      before.set(place, where);
    }
}

/** The path in its real folder and, if it is a link, its target. */
async function placesOf(path: string): Promise<string[]> {
  const folder = (await real(dirname(path))) ?? dirname(path);
  const target = await real(path);
  return [...new Set([join(folder, basename(path)), ...(target === undefined ? [] : [target])])];
}

async function holds({ path, images }: Input, place: string): Promise<boolean> {
  const own = await real(path);
  if (own === undefined) return false;
  if (own === place) return true;
  const within = own.endsWith(sep) ? own : own + sep;
  return images && place.startsWith(within) && (await real(place)) !== undefined;
}

/** Undefined for what does not exist: `toy-cars`, or an output that is new. */
const real = (path: string): Promise<string | undefined> => realpath(path).catch(() => undefined);
