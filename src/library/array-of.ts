import { quote } from '../config/source.js';
import { UsageError } from '../errors.js';

/** The array, if any is given: JavaScript programs have no type checks. @throws UsageError for another type */
export function arrayOf<A extends object>(
  where: string,
  value: unknown,
  type: new (...values: never[]) => A,
): A | undefined {
  if ((value ?? undefined) === undefined || value instanceof type) return (value ?? undefined) as A;
  throw new UsageError(`${where}: expected a ${type.name}, got ${quote(value)}`);
}
