/** The results as bars, a group for each piece of work: milliseconds an image, less is better. */
import { writeFileAtomically } from '../io/atomic.js';
import type { Result } from './result.js';

export const PLOT_EXTENSIONS = ['.svg'] as const;

/** Writes the SVG. Each group has a scale of its own, which begins at 0. */
export async function writePlot(path: string, results: readonly Result[]): Promise<void> {
  const { barPicture } = await import('./bar-picture.js');
  await writeFileAtomically(path, barPicture(results));
}
