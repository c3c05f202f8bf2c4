/** What a program passes as settings, before any of them is read: JavaScript programs have no type checks. */
import { quote } from '../config/source.js';
import { UsageError } from '../errors.js';
import { type Place, telling } from './spelling.js';

/** What a function may be given beside the settings of a run or a model. */
interface Listening {
  readonly signal?: unknown;
  readonly onEvent?: ((event: { readonly kind: string }) => void) | undefined;
}

/** A callback's name: `onEvent`. */
const CALLBACK = /^on[A-Z]/;

/**
 * The settings of a function, whose events name settings as programs do. Each function of the library begins with it.
 * @param where the function's name
 * @param place its names of settings
 * @throws UsageError unless they are an object, its signal an AbortSignal and its callbacks functions
 */
export function settingsOf<S extends object>(where: string, given: S, place: Place = where): S {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new UsageError(`${where}: expected an object of settings, got ${shown(given)}`);
  for (const [name, value] of Object.entries(given)) {
    if ((value ?? undefined) === undefined) continue;
    if (name === 'signal' && !(value instanceof AbortSignal))
      throw new UsageError(`${where}.signal: expected an AbortSignal, got ${shown(value)}`);
    if (CALLBACK.test(name) && typeof value !== 'function')
      throw new UsageError(`${where}.${name}: expected a function, got ${shown(value)}`);
  }
  return { ...given, ...telling(place, (given as Listening).onEvent) };
}

/** A value that is none of those, for messages. */
const shown = (value: unknown): string =>
  value === undefined ? 'nothing' : typeof value === 'function' ? 'a function' : quote(value);
