import { FROM_TILES_SCRATCH } from './from-tiles';
import { TO_TILES_SCRATCH } from './to-tiles';

/** Floats before the planes in the scratch of a worker that transforms and multiplies: whole cache lines. */
export const TRANSFORM_SCRATCH: usize = (max(FROM_TILES_SCRATCH, TO_TILES_SCRATCH) + 15) & ~15;
