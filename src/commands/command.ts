import type { Args } from '../config/args.js';
import type { Flags } from '../config/flag.js';

/** A word of a command that is not a flag. */
export interface Positional {
  readonly name: string;
  readonly describe: string;
  readonly optional: boolean;
  /** What to do instead of giving several, as a shell does when it expands a wildcard. */
  readonly several?: string;
}

/** A command as the command line sees it; its implementation is loaded when it is called. */
export interface Command {
  readonly name: string;
  readonly describe: string;
  readonly positional?: Positional;
  /** A second word. */
  readonly secondPositional?: Positional;
  /** Flags by their heading in the help. */
  readonly groups: Readonly<Record<string, Flags>>;
  /** A command line and what it does. */
  readonly examples: readonly (readonly [string, string])[];
  /** Additional notes for the help. */
  readonly notes?: string;
  readonly load: () => Promise<{ run(args: Args): Promise<void> }>;
}

/** The positional words that a command takes, in order. */
export const positionalsOf = (command: Command): Positional[] =>
  [command.positional, command.secondPositional].filter((word) => word !== undefined);

/** All flags of a command by name. */
export const allFlags = (command: Command): Flags =>
  Object.assign({}, ...Object.values(command.groups), COMMON_FLAGS);

/** Flags of every command. */
export const COMMON_FLAGS: Flags = {
  verbose: { describe: 'Show the stack of an error' },
  help: { describe: 'Show this' },
};
