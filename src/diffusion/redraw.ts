/*
 * Drawing from a picture in place of noise alone. The picture is taken with noise to the middle of the forward process, and the
 * reverse process goes on from there (SDEdit, Meng et al. 2022); and what a mask keeps of it is put back after each step, with
 * that moment's noise (RePaint, Lugmayr et al. 2022).
 */

/** How much of the reverse process redraws a picture. */
export interface Redraw {
  /** Share of the steps that is taken, the last ones: in (0, 1]. 1 begins with noise alone. */
  readonly strength: number;
  /** How often each step but the last is taken, with its noise added back in between: RePaint's U. */
  readonly resample: number;
}

/** Whether images begin with the picture and its moment's noise, else with noise alone. */
export const beginsWithPicture = ({ strength }: Redraw): boolean => strength < 1;

/** A picture to redraw. */
export interface Redrawing extends Redraw {
  /** Of one image, around [-1, 1]. */
  readonly picture: Float32Array;
  /** By value: 1 where the image is drawn anew, 0 where the picture is kept; null draws all of it anew. */
  readonly mask: Uint8Array | null;
}
