import { UsageError } from '../errors.js';
import {
  choose,
  describe,
  parseDecimal,
  quote,
  type Range,
  type Source,
  within,
} from './source.js';

/** `betaStart` → `beta-start`. */
export const kebab = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The flags given on the command line, read strictly. Settings that were not given are undefined. */
export class Args implements Source {
  private readonly values: Readonly<Record<string, unknown>>;
  /** Settings whose flag has another name, e.g. `{ norm: 'bn' }`. */
  private readonly names: Readonly<Record<string, string>>;

  constructor(
    values: Readonly<Record<string, unknown>>,
    names: Readonly<Record<string, string>> = {},
  ) {
    this.values = values;
    this.names = names;
  }

  /** The same flags, where some settings go by another name. */
  renamed(names: Readonly<Record<string, string>>): Args {
    return new Args(this.values, names);
  }

  /** The flag of a setting, for messages: `--beta-start`. */
  where(name: string): string {
    return `--${this.names[name] ?? kebab(name)}`;
  }

  text(name: string): string | undefined {
    const value = this.values[this.names[name] ?? kebab(name)];
    if (value === undefined) return undefined;
    if (typeof value !== 'string' || value === '')
      throw new UsageError(`${this.where(name)}: expected a value, got nothing`);
    return value;
  }

  /** A positional argument. @throws UsageError naming what was expected there. */
  positional(name: string, what: string): string {
    const value = this.optionalPositional(name);
    if (value === undefined) throw new UsageError(`<${name}>: expected ${what}, got nothing`);
    return value;
  }

  /** A positional argument that may be left out. */
  optionalPositional(name: string): string | undefined {
    const value = this.values[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  }

  boolean(name: string): boolean | undefined {
    const value = this.values[this.names[name] ?? kebab(name)];
    return typeof value === 'boolean' ? value : undefined;
  }

  whole(name: string, range: Range): number | undefined {
    return this.number(name, 'whole number', range);
  }

  real(name: string, range: Range): number | undefined {
    return this.number(name, 'number', range);
  }

  wholes(name: string, range: Range): number[] | undefined {
    const text = this.text(name);
    return text
      ?.split(',')
      .map((item) => this.parse(name, item, 'whole number', range, { list: text }));
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
    { list }: { list?: string } = {},
  ): number {
    const value = parseDecimal(text);
    if (within(value, kind, range)) return value;
    const expected = describe(kind, range);
    const each = list === undefined ? '' : ' between commas';
    throw new UsageError(
      `${this.where(name)}: expected ${expected}${each}, got ${quote(list ?? text)}`,
    );
  }
}
