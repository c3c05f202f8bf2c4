/** A device's description without what does not affect the bits: its thread count, and its vector width. */
export const arithmeticOf = (description: string): string =>
  description.replace(/( of \d+ bits)?, \d+ threads?/, '');
