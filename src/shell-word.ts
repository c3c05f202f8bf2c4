import { isPrintable, printable } from './printable.js';

/**
 * A word as a shell takes it: for commands that a user is shown and may copy. One that cannot be printed as it is comes as
 * `$'a\nb'`, which POSIX has since 2024 and bash, ksh and zsh had before.
 */
export function shellWord(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (isPrintable(word)) return `'${word.replaceAll("'", `'\\''`)}'`;
  return `$'${printable(word.replaceAll(/['\\]/g, '\\$&'))}'`;
}
