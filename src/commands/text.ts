/** Rows as aligned columns; columns whose index is in `right` are aligned to the right. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...rows.map((row) => row[i]?.length ?? 0)),
  );
  const cell = (text: string, i: number) =>
    right.includes(i) ? text.padStart(widths[i]!) : text.padEnd(widths[i]!);
  return rows.map((row) => `${row.map(cell).join('  ').trimEnd()}\n`).join('');
}

/** 62438883 → `62,438,883`. */
export const grouped = (n: number): string => n.toLocaleString('en-US');

/** Bytes in the unit that suits them: `3.62 GiB`. */
export function bytes(n: number): string {
  const power = Math.min(3, Math.max(0, Math.floor(Math.log2(Math.max(1, n)) / 10)));
  return `${(n / 1024 ** power).toFixed(power === 0 ? 0 : 2)} ${['bytes', 'KiB', 'MiB', 'GiB'][power]}`;
}

/** Floating-point operations in the unit that suits them: `5.31 GFLOP`. */
export function operations(n: number): string {
  const power = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(1, n)) / 3)));
  return `${(n / 1000 ** power).toPrecision(3)} ${['', 'k', 'M', 'G', 'T'][power]}FLOP`;
}

/** A JSON value as the whole of stdout. */
export const printJson = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
};
