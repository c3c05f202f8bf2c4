import { quote } from '../config/source.js';
import { UsageError } from '../errors.js';

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
