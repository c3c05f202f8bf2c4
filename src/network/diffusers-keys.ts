import { UsageError } from '../errors.js';
import { printable } from '../printable.js';
import { LARGEST_SIDE, MOST_CHANNELS, MOST_IMAGE_CHANNELS } from './limits.js';

/*
 * How a class of diffusers has its keys in config.json: each with the class's default, how its value is read, and how it is
 * written. Unsupported values are refused by key and value.
 */

/** A network in a file. */
export interface NetworkInFile<C> {
  readonly config: C;
  /** `sample_size`; null if the file does not give it. */
  readonly size: number | null;
}

/** Reads a value. @throws Unsupported */
export type Read<T> = (value: unknown) => T;

/** A key of the file: the class's default, how its value is read, and how it is written. */
export interface Key<C, T> {
  readonly missing: unknown;
  readonly read: Read<T>;
  readonly write: (network: NetworkInFile<C>) => unknown;
}

/** Every class of networks has these. */
interface Images<C> {
  readonly sample_size: Key<C, number | null>;
  readonly in_channels: Key<C, number>;
  /** Null: as many as `in_channels`. */
  readonly out_channels: Key<C, number | null>;
}

type Keys<C> = Images<C> & Readonly<Record<string, Key<C, unknown>>>;

/** What was read, by key. */
export type Values<K> = {
  readonly [N in keyof K]: K[N] extends { readonly read: Read<infer T> } ? T : never;
};

/** What describes a class. */
interface Description<C, K extends Keys<C>, Field extends string> {
  /** `_class_name`. */
  readonly name: string;
  /** In the order in which they are written. */
  readonly keys: K;
  /** Whether the output may have as many channels again, which are left out. Default false. */
  readonly mayDouble?: boolean;
  /** Keys that are neither read nor written, without influence on the computation; so are those that begin with `_`. */
  readonly ignored?: readonly string[];
  readonly configOf: (values: Values<K>) => C;
  /** Whether its fields fit together. @throws UsageError naming one by `nameOf` */
  readonly check: (config: C, nameOf: (field: Field) => string) => void;
  /** The keys of the fields that `check` may name. */
  readonly fieldKeys: Readonly<Record<Field, keyof K & string>>;
}

/** A class of diffusers, in both directions. */
export interface DiffusersClass<C> {
  readonly name: string;
  /**
   * The network of a parsed config.json; `where` names it in errors.
   * @throws UsageError naming a key that is unknown, has an unsupported value, or conflicts with others
   */
  read(where: string, json: Readonly<Record<string, unknown>>): NetworkInFile<C>;
  /** The file's keys. */
  write(network: NetworkInFile<C>): Record<string, unknown>;
}

export function diffusersClass<C, const K extends Keys<C>, Field extends string>(
  description: Description<C, K, Field>,
): DiffusersClass<C> {
  const { name, keys, mayDouble = false, ignored = [] } = description;
  const { configOf, check, fieldKeys } = description;
  return {
    name,
    read: (where, json) => {
      const values = readKeys(where, json, keys, ignored);
      const { in_channels, out_channels, sample_size } = values as Values<Images<C>>;
      const fits = [null, in_channels, ...(mayDouble ? [2 * in_channels] : [])];
      if (!fits.includes(out_channels))
        throw new UsageError(
          `${where}: out_channels: expected ${in_channels} like in_channels${mayDouble ? ', or twice as many' : ''}, got ${out_channels}`,
        );
      const config = configOf(values);
      check(config, (field) => `${where}: ${fieldKeys[field]}`);
      return { config, size: sample_size };
    },
    write: (network) => {
      const written = Object.entries(keys).map(([key, { write }]) => [key, write(network)]);
      return { _class_name: name, ...Object.fromEntries(written) };
    },
  };
}

/** How a key is read. */
type ReadableKey<T = unknown> = Pick<Key<never, T>, 'missing' | 'read'>;

/**
 * The values of a class's keys in a parsed config.json; `where` names it in errors.
 * @param ignored keys that are not read; nor are those that begin with `_`
 * @throws UsageError naming a key that is unknown, or has an unsupported value
 */
export function readKeys<const K extends Readonly<Record<string, ReadableKey>>>(
  where: string,
  json: Readonly<Record<string, unknown>>,
  keys: K,
  ignored: readonly string[] = [],
): Values<K> {
  for (const given of Object.keys(json))
    if (!given.startsWith('_') && !ignored.includes(given) && !Object.hasOwn(keys, given))
      throw new UsageError(
        `${where}: ${printable(given)}: not supported, got ${show(json[given])}`,
      );
  const read = Object.entries(keys).map(([name, { missing, read }]) => {
    const value = json[name] === undefined ? missing : json[name];
    try {
      return [name, read(value)];
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      throw new UsageError(`${where}: ${name}: expected ${error.message}, got ${show(value)}`);
    }
  });
  return Object.fromEntries(read) as Values<K>;
}

/** Says what was expected of a value. */
class Unsupported extends Error {}

const fail = (expected: string): never => {
  throw new Unsupported(expected);
};

export const whole =
  (least: number, most: number): Read<number> =>
  (v) =>
    typeof v === 'number' && Number.isInteger(v) && v >= least && v <= most
      ? v
      : fail(`a whole number from ${least} to ${most}`);

export const number =
  (expected: string, fits: (v: number) => boolean): Read<number> =>
  (v) => {
    if (typeof v !== 'number' || !Number.isFinite(v) || !fits(v)) return fail(expected);
    // As the engine keeps it.
    const near = Math.fround(v);
    return Number.isFinite(near) && fits(near) ? v : fail(`${expected} as a 32-bit float`);
  };

export const channels = whole(1, MOST_CHANNELS);
export const imageChannels = whole(1, MOST_IMAGE_CHANNELS);
export const positive = number('a number above 0', (v) => v > 0);
export const probability = number('a number from 0 to below 1', (v) => v >= 0 && v < 1);
export const boolean: Read<boolean> = (v) => (typeof v === 'boolean' ? v : fail('true or false'));

export const orNull =
  <T>(read: Read<T>): Read<T | null> =>
  (v) =>
    v === null ? null : read(v);

export const list =
  <T>(read: Read<T>): Read<T[]> =>
  (v) =>
    Array.isArray(v) ? v.map(read) : fail('a list');

export const oneOf =
  <const T>(...choices: readonly T[]): Read<T> =>
  (v) =>
    choices.includes(v as T) ? (v as T) : fail(choices.map((c) => JSON.stringify(c)).join(' or '));

const pixels = whole(1, LARGEST_SIDE);

/** A number, or equal height and width. */
export const side: Read<number | null> = orNull((v) => {
  const [height, width, more] = Array.isArray(v) ? v.map(pixels) : [pixels(v), pixels(v)];
  const square = height !== undefined && height === width && more === undefined;
  return square ? height : fail('square images');
});

/** A value of the file on one line, truncated. */
export function show(value: unknown): string {
  const text = printable(JSON.stringify(value));
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}
