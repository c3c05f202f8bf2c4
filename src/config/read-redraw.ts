import { readPicture } from '../data/one-picture.js';
import { beginsWithPicture, type Redrawing } from '../diffusion/redraw.js';
import { sharedArithmetic } from '../engine/arithmetic.js';
import { UsageError } from '../errors.js';
import { printable } from '../printable.js';
import type { PictureShape } from './picture-shape.js';
import { type GivenPictures, redrawingOf } from './redraw.js';
import type { Source } from './source.js';
import { readFit } from './training.js';

/** From here on a mask's grey is white. */
const WHITE = 128;

/** No image of numbers around [-1, 1] has larger ones: they are of another range, such as 0 to 255. */
const FARTHEST = 10;

/** A picture to redraw, as it was asked for. */
export interface AskedRedrawing {
  readonly redrawing: Redrawing;
  /** What is redrawn, and why a picture may not look as intended. */
  readonly notes: readonly string[];
}

/**
 * The picture to redraw, from files or arrays; null if none is asked for.
 * @throws UsageError for a file that is not a picture, and as `redrawingOf`
 */
export async function readRedrawing(
  source: Source,
  { size, channels }: PictureShape,
  given: GivenPictures = {},
): Promise<AskedRedrawing | null> {
  const shape = { pixels: size ** 2, channels };
  const files = { from: source.text('from'), mask: source.text('mask') };
  if (!given.from && files.from === undefined) {
    redrawingOf(source, given, shape);
    return null;
  }
  const fit = readFit(source);
  if (fit !== undefined && files.from === undefined && files.mask === undefined)
    throw new UsageError(
      `${source.where('fit')}: belongs to pictures in files, and there are none`,
    );
  const notes: string[] = [];
  const aspects: number[] = [];
  const read = async (name: string, values: 1 | 3) => {
    const target = { size, channels: values, fit: fit ?? 'squash' } as const;
    const { pixels, aspect, doubt } = await readPicture(name, target);
    if (doubt !== undefined) notes.push(`${printable(name)}: ${doubt}`);
    aspects.push(aspect);
    return pixels;
  };
  const from = given.from ?? sharedArithmetic().toFloat(await read(files.from!, channels));
  const mask =
    given.mask ??
    (files.mask === undefined
      ? undefined
      : (await read(files.mask, 1)).map((value) => (value < WHITE ? 0 : 1)));
  if (files.mask !== undefined && !mask?.some(Boolean))
    throw new UsageError(
      `${files.mask}: expected white (${WHITE} of 255 or more at ${size}x${size} pixels) where the picture is drawn anew, got none`,
    );
  const redrawing = redrawingOf(source, { from, mask }, shape)!;
  const wild = from.find((value) => Math.abs(value) > FARTHEST);
  if (wild !== undefined)
    throw new UsageError(`${source.where('from')}: expected values around [-1, 1], got ${wild}`);
  if (differ(aspects))
    notes.push(
      `${printable(files.mask!)} has another shape than ${printable(files.from!)}: each is made square by itself`,
    );
  return { redrawing, notes: [inWords(redrawing, files), ...notes] };
}

/** Whether shapes differ by more than the rounding of their sides to whole pixels. */
const differ = ([one, other = one]: readonly number[]): boolean =>
  one !== undefined && Math.abs(Math.log(one / other!)) > 0.05;

function inWords(
  redrawing: Redrawing,
  files: { readonly from: string | undefined; readonly mask: string | undefined },
): string {
  const { mask, strength, resample } = redrawing;
  const where = mask ? ` where ${printable(files.mask ?? 'the mask')} is white` : '';
  const times = resample > 1 ? `, each step but the last taken ${resample} times` : '';
  const picture = printable(files.from ?? 'the given picture');
  if (!beginsWithPicture(redrawing) && (mask?.every(Boolean) ?? true))
    return `nothing of ${picture} is kept: ${mask ? 'the mask is white everywhere, and ' : ''}strength 1 begins with noise alone`;
  return `${picture} is redrawn${where}, strength ${strength}${times}`;
}
