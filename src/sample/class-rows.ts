/** Images of several classes, which they take in turn, as a grid with a row a class. */
import type { Condition } from '../diffusion/guidance.js';
import type { Images, Layout } from '../io/grid.js';

/** Images that are drawn unless a number is given. */
const USUAL = 16;

/** The most of several classes that `sample` draws unless a number is given. */
export const MOST_OF_CLASSES = 48;

/** The widest row of a class that nobody asked for. */
const WIDEST = 8;

const classesOf = (condition: Condition | null | undefined): number =>
  condition?.labels.length ?? 1;

/**
 * How many images to draw: whole rows of all classes, or images of as many classes as may be.
 * @param most of several classes
 */
export function usualCount(condition: Condition | null | undefined, most: number): number {
  const classes = classesOf(condition);
  if (classes === 1) return USUAL;
  const columns = Math.min(WIDEST, Math.max(1, Math.floor(most / classes)));
  return Math.min(most, columns * classes);
}

/** Images in the order of a grid, and its columns: image k is of class k modulo their number, and stands in its row. */
export function inClassRows(
  images: Images,
  condition: Condition | null | undefined,
): { readonly images: Images; readonly layout: Layout } {
  const rows = Math.min(classesOf(condition), images.count);
  if (rows === 1) return { images, layout: {} };
  const columns = Math.ceil(images.count / rows);
  const each = images.data.length / images.count;
  // Where a class has one image less, white stays.
  const data = new Uint8Array(rows * columns * each).fill(255);
  for (let k = 0; k < images.count; k++) {
    const place = (k % rows) * columns + Math.floor(k / rows);
    data.set(images.data.subarray(k * each, (k + 1) * each), place * each);
  }
  return { images: { ...images, data, count: rows * columns }, layout: { columns } };
}
