import { quote } from '../config/source.js';
import { UsageError } from '../errors.js';

/** The arrays among a drawing's settings. */
const ARRAYS = ['from', 'mask', 'noise'] as const;

/** The settings with arrays of their own, since a program may change its own after the call; anything but an object is returned as it is. */
export function withOwnArrays<S>(settings: S): S {
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) return settings;
  const own = { ...settings } as Record<string, unknown>;
  for (const name of ARRAYS) {
    const value = own[name];
    if (value instanceof Float32Array || value instanceof Uint8Array)
      own[name] = new (value instanceof Float32Array ? Float32Array : Uint8Array)(value);
  }
  return own as S;
}

/**
 * The array, if any is given: JavaScript programs have no type checks.
 * @param expected what else it may be, for messages
 * @throws UsageError for another type
 */
export function arrayOf<A extends object>(
  where: string,
  value: unknown,
  type: new (...values: never[]) => A,
  expected = '',
): A | undefined {
  if ((value ?? undefined) === undefined || value instanceof type) return (value ?? undefined) as A;
  const got = ArrayBuffer.isView(value) ? `a ${value.constructor.name}` : quote(value);
  throw new UsageError(`${where}: expected ${expected}a ${type.name}, got ${got}`);
}
