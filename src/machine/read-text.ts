import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The trimmed text of a file that the kernel makes, below `root`; undefined where it has none. */
export function readText(root: string, ...path: string[]): string | undefined {
  try {
    return readFileSync(join(root, ...path), 'utf8').trim();
  } catch {
    return undefined;
  }
}
