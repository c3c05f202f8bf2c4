import { isPrintable, printable } from './printable.js';

/**
 * A word quoted for a shell, for commands that a user may copy. One that cannot be printed directly becomes
 * `$'a\nb'`, which POSIX has had since 2024, and bash, ksh and zsh before.
 */
export function shellWord(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (isPrintable(word)) return `'${word.replaceAll("'", `'\\''`)}'`;
  return `$'${printable(word.replaceAll(/['\\]/g, '\\$&'))}'`;
}
