import { systemReason } from '../io/atomic.js';

/** Why an image could not be read, on one line and without its path, which the caller's message names. */
export function reasonOf(error: unknown): string {
  if (error instanceof Error && /\buv_cwd$/.test(error.message))
    return 'the current folder was deleted';
  const text = systemReason(error) ?? (error instanceof Error ? error.message : String(error));
  const [line = '', next = ''] = text
    .split('\n')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  // The decoder's message may break after its colon, or have nothing behind it.
  const whole = line.endsWith(':') ? `${line} ${next}`.replace(/: $/, '') : line;
  return whole.replace(/^Input (buffer|file) (contains|has) /, '');
}
