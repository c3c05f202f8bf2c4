/**
 * Makes text from files, names and programs safe to print: what would control a terminal, break a line or change
 * the direction of writing is escaped.
 */

/** Control characters, line and paragraph separators, and direction marks. */
const DRIVING = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

const SHORT: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

/** A text on one line: `a\nb`, `\x1b[2J`. */
export const printable = (text: string): string => text.replaceAll(DRIVING, escaped);

/** A text of several lines, each of them safe to print. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');

/** JSON that is safe to print and equivalent: by default it leaves characters from U+007F on unescaped. */
export const printableJson = (json: string): string =>
  json.replaceAll(DRIVING, (character) => (character === '\n' ? character : unicode(character)));

/** Whether a text can be printed unchanged. */
export const isPrintable = (text: string): boolean => printable(text) === text;

/** Escapes a character in the form that shells with `$'…'`, JavaScript and many others read. */
export function escaped(character: string): string {
  const code = character.charCodeAt(0);
  if (code > 0xff) return unicode(character);
  return SHORT.get(character) ?? `\\x${code.toString(16).padStart(2, '0')}`;
}

const unicode = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
