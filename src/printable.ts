/**
 * Text that comes from files, names and programs, as it may be printed: what would drive a terminal, break a line or turn
 * the direction of writing is shown and not obeyed.
 */

/** Control characters, separators of lines and paragraphs, and marks of direction. */
const DRIVING = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

const SHORT: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

/** A text on one line: `a\nb`, `\x1b[2J`. */
export const printable = (text: string): string => text.replaceAll(DRIVING, escaped);

/** A text of several lines, each of them printable. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');

/** JSON that is printable and means the same: it leaves characters from U+007F on as they are. */
export const printableJson = (json: string): string =>
  json.replaceAll(DRIVING, (character) => (character === '\n' ? character : unicode(character)));

/** Whether a text is printed as it is. */
export const isPrintable = (text: string): boolean => printable(text) === text;

/** As shells with `$'…'`, JavaScript and many more read it. */
export function escaped(character: string): string {
  const code = character.charCodeAt(0);
  if (code > 0xff) return unicode(character);
  return SHORT.get(character) ?? `\\x${code.toString(16).padStart(2, '0')}`;
}

const unicode = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
