/** IEEE 754 binary16, two bytes: a sign, 5 bits of exponent, 10 of fraction. */

/** Exact in f32. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Halfway between the largest half and the next power of two: from here on numbers round to infinity. */
const OVERFLOW = 65_520;

/** The nearest half's bits, ties to even; infinities and NaN are preserved. */
export function floatToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= OVERFLOW) return sign | 0x7c00;
  // Below 2^-14 all halves are 2^-24 apart, above it 2^-10 of their power of two.
  const exponent = Math.max(-14, size === 0 ? -14 : Math.floor(Math.log2(size)));
  const steps = toEven(size / 2 ** (exponent - 10));
  // For normal numbers the first 1024 steps are the hidden bit, which adds one to the exponent field.
  return sign | (((exponent + 14) << 10) + steps);
}

/** The nearest whole number, ties to even; below 2^31. */
function toEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

/** Whether the number is in the range of a half. */
export const fitsHalf = (value: number): boolean => Math.abs(value) < OVERFLOW;
