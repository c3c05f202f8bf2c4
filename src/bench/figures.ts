/** Numbers as tables and plots show them. */

/** So many significant digits, and never an exponent: 0.0123, 4.56, 22500. */
export function significant(value: number, digits = 3): string {
  return Number(value.toPrecision(digits)).toLocaleString('en', {
    useGrouping: false,
    minimumSignificantDigits: digits,
    maximumSignificantDigits: digits,
  });
}

/** `12.3%`. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
