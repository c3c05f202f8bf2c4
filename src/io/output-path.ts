/** Checks an output's path before the hours of work whose result goes there. */
import { dirname, extname } from 'node:path';
import { UsageError } from '../errors.js';
import { checkFolderWritable, isFolder } from './run.js';

/**
 * Checks that a file can be written to `path`; `flag` is the user's flag for it, `extensions` (with the dot)
 * are the supported formats. An existing file will be replaced.
 * @throws UsageError if the extension is another, the folder is missing, or `path` is a folder; RunError if the folder takes no files
 */
export async function checkOutputPath(
  flag: string,
  path: string,
  extensions: readonly string[],
): Promise<void> {
  checkExtension(flag, path, extensions);
  if (!(await isFolder(dirname(path))))
    throw new UsageError(`${flag}: expected a file in an existing folder, got ${path}`);
  if (await isFolder(path))
    throw new UsageError(`${flag}: expected the name of a file, got the folder ${path}`);
  await checkFolderWritable(dirname(path), path);
}

/** @throws UsageError if the extension is none of these, which have the dot */
export function checkExtension(where: string, path: string, extensions: readonly string[]): void {
  if (!extensions.includes(extensionOf(path)))
    throw new UsageError(`${where}: expected a name ending in ${or(extensions)}, got ${path}`);
}

/** The extension in lower case, with its dot: `.png` of `a/B.PNG`. */
export const extensionOf = (path: string): string => extname(path).toLowerCase();

const or = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
