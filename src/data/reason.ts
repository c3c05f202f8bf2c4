import { systemReason } from '../io/atomic.js';

/** Why an image could not be read, on one line and without its path, which the caller's message names. */
export function reasonOf(error: unknown): string {
  const text = systemReason(error) ?? (error instanceof Error ? error.message : String(error));
  const [line] = text.split('\n');
  return line!.replace(/^Input (buffer|file) contains /, '').trim();
}
