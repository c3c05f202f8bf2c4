import { printable, printableJson, printableLines } from '../printable.js';

/** Writes lines to stdout. Text from files must not add lines of its own: see `printable`. */
export const print = (text: string): void => {
  process.stdout.write(printableLines(text));
};

/** Rows as aligned columns, each cell printable; columns whose index is in `right` are aligned to the right. */
export function table(
  cells: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  const rows = cells.map((row) => row.map(printable));
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...rows.map((row) => row[i]?.length ?? 0)),
  );
  const cell = (text: string, i: number) =>
    right.includes(i) ? text.padStart(widths[i]!) : text.padEnd(widths[i]!);
  return rows.map((row) => `${row.map(cell).join('  ').trimEnd()}\n`).join('');
}

/** Writes a JSON value as the only output on stdout. */
export const printJson = (value: unknown): void => {
  process.stdout.write(`${printableJson(JSON.stringify(value, null, 2))}\n`);
};

let last = false;

/** Writes what was done to stdout. Everything is saved by now, so a failure to write is not an error. */
export function sayLastWords(text: string): void {
  last = true;
  print(text);
}

export const isLastWords = (): boolean => last;
