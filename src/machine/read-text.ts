import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The trimmed text of a kernel file below `root`; undefined if it does not exist. */
export function readText(root: string, ...path: string[]): string | undefined {
  try {
    return readFileSync(join(root, ...path), 'utf8').trim();
  } catch {
    return undefined;
  }
}
