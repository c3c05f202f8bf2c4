/** Paths from programs: JavaScript programs have no type checks. */
import { UsageError } from '../errors.js';
import { show } from './json.js';

/** @param where the function it was given. @throws UsageError for anything but a path */
export function requirePath(where: string, path: unknown, expected: string): void {
  if (typeof path === 'string' && path !== '') return;
  const got = path === undefined || path === '' ? 'nothing' : show(path);
  throw new UsageError(`${where}: expected ${expected}, got ${got}`);
}
