import { UsageError } from '../errors.js';
import {
  asFloat,
  type Count,
  choose,
  describe,
  describeSeveral,
  isCount,
  quote,
  type Range,
  type Source,
  suggestion,
  within,
} from './source.js';

/**
 * An object in a JSON file, or the options that a program passes, read field by field. A field is required unless
 * it is `optional`, in which case null means it is not given.
 */
export class JsonObject implements Source {
  /** The file and the path of this object in it, for messages. */
  readonly path: string;
  private readonly fields: ReadonlyMap<string, unknown>;
  private readonly optional: readonly string[] | 'all';
  private readonly read = new Set<string>();

  /** @throws UsageError unless the value is an object. `where` names the file and the path in it */
  constructor(where: string, value: unknown, optional: readonly string[] | 'all' = []) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new UsageError(`${where}: expected an object, got ${quote(value)}`);
    this.path = where;
    this.fields = new Map(Object.entries(value));
    this.optional = optional;
  }

  has(name: string): boolean {
    return (this.fields.get(name) ?? undefined) !== undefined;
  }

  where(name: string): string {
    return `${this.path}.${name}`;
  }

  /** @throws UsageError naming a field that was not read: misspelt, or of another version */
  finish(): void {
    for (const name of this.fields.keys())
      if (!this.read.has(name))
        throw new UsageError(
          `${this.path}.${quote(name)}: unknown field${suggestion(name, [...this.read])}`,
        );
  }

  object(name: string, optional: readonly string[] | 'all' = []): JsonObject {
    return new JsonObject(`${this.path}.${name}`, this.value(name), optional);
  }

  /** A list of so many objects. */
  objects(name: string, count: number): JsonObject[] {
    return this.list(name, count, 'objects').map(
      (item, i) => new JsonObject(`${this.path}.${name}[${i}]`, item),
    );
  }

  /** So many lists of so many numbers. */
  lists(name: string, count: number, length: number): number[][] {
    const isRow = (item: unknown): item is number[] =>
      Array.isArray(item) && item.length === length && item.every((n) => typeof n === 'number');
    const rows = this.list(name, count, `lists of ${length} numbers`);
    if (rows.every(isRow)) return rows;
    throw this.unexpected(name, `${count} lists of ${length} numbers`, rows);
  }

  private list(name: string, count: number, what: string): unknown[] {
    const value = this.value(name);
    if (Array.isArray(value) && value.length === count) return value;
    throw this.unexpected(name, `${count} ${what}`, value);
  }

  /** The object, or null if the field may be null. */
  objectOrNull(name: string, optional: readonly string[] | 'all' = []): JsonObject | null {
    return this.value(name) === undefined ? null : this.object(name, optional);
  }

  whole(name: string, range: Range): number | undefined {
    return this.number(name, 'whole number', range);
  }

  real(name: string, range: Range): number | undefined {
    return this.number(name, 'number', range);
  }

  wholeOr<const T extends string>(
    name: string,
    range: Range,
    words: readonly T[],
  ): number | T | undefined {
    return this.numberOr(name, 'whole number', range, words);
  }

  realOr<const T extends string>(
    name: string,
    range: Range,
    words: readonly T[],
  ): number | T | undefined {
    return this.numberOr(name, 'number', range, words);
  }

  reals(name: string, range: Range, count: Count): number[] | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    const isReal = (item: unknown): item is number =>
      typeof item === 'number' && within(item, 'number', range);
    if (Array.isArray(value) && isCount(value.length, count) && value.every(isReal)) return value;
    throw this.unexpected(
      name,
      `a list of ${describeSeveral(count, 'number', range)}`,
      value,
      range,
    );
  }

  booleans(name: string): boolean[] | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (Array.isArray(value) && value.every((item) => typeof item === 'boolean')) return value;
    throw this.unexpected(name, 'a list of true and false', value);
  }

  wholes(name: string, range: Range): number[] | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    const isWhole = (item: unknown): item is number =>
      typeof item === 'number' && within(item, 'whole number', range);
    if (Array.isArray(value) && value.every(isWhole)) return value;
    throw this.unexpected(name, `a list, each ${describe('whole number', range)}`, value);
  }

  boolean(name: string): boolean | undefined {
    const value = this.value(name);
    if (value === undefined || typeof value === 'boolean') return value;
    throw this.unexpected(name, 'true or false', value);
  }

  text(name: string): string | undefined {
    const value = this.value(name);
    if (value === undefined || (typeof value === 'string' && value !== '')) return value;
    throw this.unexpected(name, 'text', value);
  }

  /** @param least number of texts */
  texts(name: string, least = 1): string[] | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    const list: unknown[] = Array.isArray(value) ? value : [value];
    const isWord = (item: unknown): item is string | number =>
      (typeof item === 'string' && item !== '') || typeof item === 'number';
    if (list.length >= least && list.every(isWord)) return list.map(String);
    throw this.unexpected(name, 'text, or a list of texts', value);
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : choose(`${this.path}.${name}`, text, choices);
  }

  private numberOr<const T extends string>(
    name: string,
    kind: 'whole number' | 'number',
    range: Range,
    words: readonly T[],
  ): number | T | undefined {
    const value = this.value(name);
    const word = words.find((word) => word === value);
    if (word !== undefined || value === undefined) return word;
    if (typeof value === 'number' && within(value, kind, range)) return value;
    const expected = [describe(kind, range), ...words].join(' or ');
    throw this.unexpected(name, expected, value, kind === 'number' ? range : undefined);
  }

  private number(name: string, kind: 'whole number' | 'number', range: Range): number | undefined {
    const value = this.value(name);
    if (value === undefined || (typeof value === 'number' && within(value, kind, range)))
      return value;
    throw this.unexpected(
      name,
      describe(kind, range),
      typeof value === 'string' ? JSON.stringify(value) : value,
      kind === 'number' ? range : undefined,
    );
  }

  private value(name: string): unknown {
    this.read.add(name);
    const value = this.fields.get(name);
    if (value !== undefined && value !== null) return value;
    if (this.optional === 'all' || this.optional.includes(name)) return undefined;
    throw this.unexpected(name, 'a value', value);
  }

  /** @param range of real numbers, which may be within it only in more than 32 bits */
  private unexpected(name: string, expected: string, got: unknown, range?: Range): UsageError {
    const shown = got === undefined ? 'nothing' : quote(got);
    const each: unknown[] = range ? [got].flat() : [];
    const why = each.map((value) => asFloat(value, range!)).find((text) => text !== '') ?? '';
    return new UsageError(`${this.path}.${name}: expected ${expected}, got ${shown}${why}`);
  }
}
