import type { Args } from '../config/args.js';
import type { Flags } from '../config/flag.js';

/** A word of a command that is no flag. */
export interface Positional {
  readonly name: string;
  readonly describe: string;
  readonly optional: boolean;
  /** What to do instead of naming several of them, as a shell does for a wildcard. */
  readonly several?: string;
}

/** A command as the command line sees it; what it does is loaded only when it is called. */
export interface Command {
  readonly name: string;
  readonly describe: string;
  readonly positional?: Positional;
  /** A word after it. */
  readonly secondPositional?: Positional;
  /** Flags by the heading under which help lists them. */
  readonly groups: Readonly<Record<string, Flags>>;
  /** Command line and what it does. */
  readonly examples: readonly (readonly [string, string])[];
  /** What a reader of its help should know besides. */
  readonly notes?: string;
  readonly load: () => Promise<{ run(args: Args): Promise<void> }>;
}

/** The words that a command takes, in order. */
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
