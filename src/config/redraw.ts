import type { Redrawing } from '../diffusion/redraw.js';
import { STANDING_ALONE } from '../diffusion/samplers.js';
import { ShapeError, UsageError } from '../errors.js';
import type { Flags } from './flag.js';
import type { Source } from './source.js';
import { dataFlags } from './training.js';

/** Share of the steps that redraws a picture: diffusers' default. With a mask, what is drawn anew begins with noise alone. */
const USUAL_STRENGTH = 0.8;
const USUAL_RESAMPLE = 1;

export const redrawFlags: Flags = {
  from: {
    describe: 'Picture to begin with, covered with noise, in place of noise alone',
    value: 'FILE',
  },
  strength: {
    describe:
      'Share of the reverse steps that redraws --from; at 1 the images begin with noise alone',
    value: 'X',
    default: `${USUAL_STRENGTH}, with --mask 1`,
  },
  mask: {
    describe: 'Picture that is white where --from is drawn anew; elsewhere it is kept',
    value: 'FILE',
  },
  resample: {
    describe: `With --mask: how often each step but the last is taken, so that the parts fit together (${STANDING_ALONE.join(', ')})`,
    value: 'N',
    default: String(USUAL_RESAMPLE),
  },
  fit: { ...dataFlags.fit!, describe: 'Make both pictures square by stretching or by cropping' },
};

/** Settings that only `from` has. */
const OF_PICTURES = ['strength', 'mask', 'resample', 'fit'] as const;

/** Names of the settings in programs. */
export const REDRAW_SETTINGS = ['from', ...OF_PICTURES] as const;

/** Pictures as arrays: what a program may pass in place of files. */
export interface GivenPictures {
  /** Around [-1, 1]. */
  readonly from?: Float32Array | undefined;
  /** By pixel: not 0 where the picture is drawn anew. */
  readonly mask?: Uint8Array | undefined;
}

/** Pixels of an image, and values of each. */
export interface ImageShape {
  readonly pixels: number;
  readonly channels: number;
}

/**
 * The picture to redraw, from arrays; null if none is given.
 * @throws UsageError for settings without a picture, values that are not finite and a mask that keeps all; ShapeError for other lengths
 */
export function redrawingOf(
  source: Source,
  { from, mask }: GivenPictures,
  { pixels, channels }: ImageShape,
): Redrawing | null {
  if (!from) {
    const foreign = OF_PICTURES.find((name) => source.has(name) || (name === 'mask' && mask));
    if (foreign === undefined) return null;
    throw new UsageError(
      `${source.where(foreign)}: belongs to ${source.where('from')}, and there is none`,
    );
  }
  if (!mask && source.has('resample'))
    throw new UsageError(
      `${source.where('resample')}: belongs to ${source.where('mask')}, and there is none`,
    );
  expectLength(source.where('from'), from, pixels * channels);
  if (!from.every(Number.isFinite))
    throw new UsageError(`${source.where('from')}: expected finite values, got others`);
  if (mask) expectLength(source.where('mask'), mask, pixels);
  if (mask && !mask.some(Boolean))
    throw new UsageError(
      `${source.where('mask')}: expected values other than 0 where the picture is drawn anew, got none`,
    );
  const strength = source.real('strength', { above: 0, max: 1 });
  return {
    picture: from,
    mask: mask ? byValue(mask, channels) : null,
    strength: strength ?? (mask ? 1 : USUAL_STRENGTH),
    resample: source.whole('resample', { min: 1, max: 100 }) ?? USUAL_RESAMPLE,
  };
}

function expectLength(where: string, array: { readonly length: number }, expected: number): void {
  if (array.length !== expected)
    throw new ShapeError(`${where}: expected ${expected} values, got ${array.length}`);
}

const byValue = (mask: Uint8Array, channels: number): Uint8Array =>
  Uint8Array.from({ length: mask.length * channels }, (_, i) =>
    mask[Math.floor(i / channels)] ? 1 : 0,
  );
