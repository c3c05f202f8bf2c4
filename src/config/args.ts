import { UsageError } from '../errors.js';
import { kebab } from './flag.js';
import { FIELD_FLAGS } from './network-fields.js';
import {
  asFloat,
  type Count,
  choose,
  describe,
  describeSeveral,
  isCount,
  parseDecimal,
  quote,
  type Range,
  type Source,
  within,
} from './source.js';

/** The flags of the command line, read strictly. Settings that were not given are undefined. */
export class Args implements Source {
  private readonly values: Readonly<Record<string, unknown>>;
  /** Settings whose flag has another name, e.g. `{ eps: 'norm-eps' }`. */
  private readonly names: Readonly<Record<string, string>>;

  constructor(
    values: Readonly<Record<string, unknown>>,
    names: Readonly<Record<string, string>> = FIELD_FLAGS,
  ) {
    this.values = values;
    this.names = names;
  }

  /** The same flags, with other names for some settings. */
  renamed(names: Readonly<Record<string, string>>): Args {
    return new Args(this.values, { ...this.names, ...names });
  }

  has(name: string): boolean {
    return this.values[this.flag(name)] !== undefined;
  }

  /** The flag of a setting, for messages: `--beta-start`. */
  where(name: string): string {
    return `--${this.flag(name)}`;
  }

  text(name: string): string | undefined {
    const value = this.values[this.flag(name)];
    if (value === undefined) return undefined;
    if (typeof value !== 'string' || value === '')
      throw new UsageError(`${this.where(name)}: expected a value, got nothing`);
    return value;
  }

  /** Comma-separated texts; one that contains a comma is in double quotes, in which a quote is doubled. */
  texts(name: string): string[] | undefined {
    const text = this.text(name);
    const parts = text === undefined ? undefined : splitQuoted(text);
    if (!parts?.includes('')) return parts;
    throw new UsageError(
      `${this.where(name)}: expected a name before and after each comma, got ${quote(text)}`,
    );
  }

  /** A positional argument. @throws UsageError that says what was expected */
  positional(name: string, what: string): string {
    const value = this.optionalPositional(name);
    if (value === undefined) throw new UsageError(`<${name}>: expected ${what}, got nothing`);
    return value;
  }

  /** An optional positional argument. */
  optionalPositional(name: string): string | undefined {
    const value = this.values[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  }

  boolean(name: string): boolean | undefined {
    const value = this.values[this.flag(name)];
    return typeof value === 'boolean' ? value : undefined;
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
    const text = this.text(name);
    if (text === undefined) return undefined;
    const word = words.find((word) => word === text);
    return word ?? this.parse(name, text, 'whole number', range, { or: words });
  }

  realOr<const T extends string>(
    name: string,
    range: Range,
    words: readonly T[],
  ): number | T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const word = words.find((word) => word === text);
    return word ?? this.parse(name, text, 'number', range, { or: words });
  }

  wholes(name: string, range: Range, empty?: string): number[] | undefined {
    const text = this.text(name);
    if (text !== undefined && text === empty) return [];
    return text
      ?.split(',')
      .map((item) => this.parse(name, item, 'whole number', range, { list: text }));
  }

  reals(name: string, range: Range, count: Count, empty?: string): number[] | undefined {
    const text = this.text(name);
    if (text !== undefined && text === empty) return [];
    const values = text?.split(',').map(parseDecimal);
    const sound = values?.every((v) => within(v, 'number', range)) ?? true;
    if (!values || (isCount(values.length, count) && sound)) return values;
    const why = values.map((value) => asFloat(value, range)).find((text) => text !== '') ?? '';
    throw new UsageError(
      `${this.where(name)}: expected ${describeSeveral(count, 'number', range)} between commas, got ${quote(text)}${why}`,
    );
  }

  /** Lists of booleans have no form on the command line. */
  booleans(): undefined {
    return undefined;
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : choose(this.where(name), text, choices);
  }

  private number(name: string, kind: 'whole number' | 'number', range: Range): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : this.parse(name, text, kind, range);
  }

  private parse(
    name: string,
    text: string,
    kind: 'whole number' | 'number',
    range: Range,
    { list, or = [] }: { list?: string; or?: readonly string[] } = {},
  ): number {
    const value = parseDecimal(text);
    if (within(value, kind, range)) return value;
    const expected = [describe(kind, range), ...or].join(' or ');
    const each = list === undefined ? '' : ' between commas';
    const why = kind === 'number' ? asFloat(value, range) : '';
    throw new UsageError(
      `${this.where(name)}: expected ${expected}${each}, got ${quote(list ?? text)}${why}`,
    );
  }

  private flag(name: string): string {
    return this.names[name] ?? kebab(name);
  }
}

/** One entry of a list: in double quotes, or everything up to a comma. */
const PART = /"((?:[^"]|"")*)"(?=,|$)|([^,]*)/y;

function splitQuoted(text: string): string[] {
  const parts: string[] = [];
  for (let at = 0; at <= text.length; at = PART.lastIndex + 1) {
    PART.lastIndex = at;
    const [, quoted, plain] = PART.exec(text)!;
    parts.push(quoted === undefined ? plain! : quoted.replaceAll('""', '"'));
  }
  return parts;
}
