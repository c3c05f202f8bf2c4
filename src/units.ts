/** Numbers in readable form. */

/** 62438883 → `62,438,883`. */
export const grouped = (n: number): string => n.toLocaleString('en-US');

/** `1 image`, `2,048 images`. */
export const plural = (n: number, noun: string): string =>
  `${grouped(n)} ${noun}${n === 1 ? '' : 's'}`;

/** Bytes in a suitable unit: `3.62 GiB`. */
export function bytes(n: number): string {
  const power = Math.min(3, Math.max(0, Math.floor(Math.log2(Math.max(1, n)) / 10)));
  return `${(n / 1024 ** power).toFixed(power === 0 ? 0 : 2)} ${['bytes', 'KiB', 'MiB', 'GiB'][power]}`;
}

/** Floating-point operations in a suitable unit: `5.31 GFLOP`. */
export function operations(n: number): string {
  const power = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(1, n)) / 3)));
  return `${(n / 1000 ** power).toPrecision(3)} ${['', 'k', 'M', 'G', 'T'][power]}FLOP`;
}

/** Rounded to significant digits, without an exponent: 0.0123, 4.56, 22500. */
export function significant(value: number, digits = 3): string {
  return Number(value.toPrecision(digits)).toLocaleString('en', {
    useGrouping: false,
    minimumSignificantDigits: digits,
    maximumSignificantDigits: digits,
  });
}

/** `12.3%`. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
