/** A command-line flag as help shows it. Its group decides how its value is read. */
export interface Flag {
  readonly describe: string;
  /** The placeholder for the value in help, e.g. `N` or `linear|cosine`; a switch has none. */
  readonly value?: string;
  /** The default, as text. */
  readonly default?: string;
  /** `--no-name` turns the switch off: one that is on by default, or in a run that is resumed. */
  readonly negatable?: true;
}

/** By name, without the dashes. */
export type Flags = Readonly<Record<string, Flag>>;

/** `betaStart` → `beta-start`. */
export const kebab = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Drops fields that are undefined, so that the rest can override defaults. */
export function given<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): Partial<T> {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Partial<T>;
}
