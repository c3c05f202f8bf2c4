/** Images of several classes in turn, as a grid with a row per class. */
import { USUAL_COUNT } from '../config/drawing.js';
import type { Condition } from '../diffusion/guidance.js';
import type { Images, Layout } from '../io/grid.js';

/** Largest default number of images of several classes for `sample`. */
export const MOST_OF_CLASSES = 48;

/** Largest default number of images per class. */
const WIDEST = 8;

const classesOf = (condition: Condition | null | undefined): number =>
  condition?.labels.length ?? 1;

/**
 * How many images to draw: whole rows of all classes, or images of as many classes as possible.
 * @param most largest number for several classes
 */
export function usualCount(condition: Condition | null | undefined, most: number): number {
  const classes = classesOf(condition);
  if (classes === 1) return USUAL_COUNT.sample;
  const columns = Math.min(WIDEST, Math.max(1, Math.floor(most / classes)));
  return Math.min(most, columns * classes);
}

/** Reorders images for a grid, and returns its columns: image k has class k modulo their number, and is in its row. */
export function inClassRows(
  images: Images,
  condition: Condition | null | undefined,
): { readonly images: Images; readonly layout: Layout } {
  const rows = Math.min(classesOf(condition), images.count);
  if (rows === 1) return { images, layout: {} };
  const columns = Math.ceil(images.count / rows);
  const each = images.data.length / images.count;
  // If a class has one image less, its last place stays white.
  const data = new Uint8Array(rows * columns * each).fill(255);
  for (let k = 0; k < images.count; k++) {
    const place = (k % rows) * columns + Math.floor(k / rows);
    data.set(images.data.subarray(k * each, (k + 1) * each), place * each);
  }
  return { images: { ...images, data, count: rows * columns }, layout: { columns } };
}
