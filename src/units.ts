/** Numbers as people read them. */

/** 62438883 → `62,438,883`. */
export const grouped = (n: number): string => n.toLocaleString('en-US');

/** `1 image`, `2,048 images`. */
export const plural = (n: number, noun: string): string =>
  `${grouped(n)} ${noun}${n === 1 ? '' : 's'}`;

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
