import { readPicture } from '../data/one-picture.js';
import type { Redrawing } from '../diffusion/redraw.js';
import { sharedArithmetic } from '../engine/arithmetic.js';
import { printable } from '../printable.js';
import type { ModelConfig } from './config.js';
import { type GivenPictures, redrawingOf } from './redraw.js';
import type { Source } from './source.js';
import { readFit } from './training.js';

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
  { size, channels }: Pick<ModelConfig, 'size' | 'channels'>,
  given: GivenPictures = {},
): Promise<AskedRedrawing | null> {
  const shape = { pixels: size ** 2, channels };
  const files = { from: source.text('from'), mask: source.text('mask') };
  if (!given.from && files.from === undefined) {
    redrawingOf(source, given, shape);
    return null;
  }
  const fit = readFit(source) ?? 'squash';
  const notes: string[] = [];
  const read = async (name: string, values: 1 | 3) => {
    const { pixels, doubt } = await readPicture(name, { size, channels: values, fit });
    if (doubt !== undefined) notes.push(`${printable(name)}: ${doubt}`);
    return pixels;
  };
  const from = given.from ?? sharedArithmetic().toFloat(await read(files.from!, channels));
  const mask =
    given.mask ??
    (files.mask === undefined
      ? undefined
      : (await read(files.mask, 1)).map((value) => (value < 128 ? 0 : 1)));
  const redrawing = redrawingOf(source, { from, mask }, shape)!;
  return { redrawing, notes: [inWords(redrawing, files), ...notes] };
}

function inWords(
  { mask, strength, resample }: Redrawing,
  files: { readonly from: string | undefined; readonly mask: string | undefined },
): string {
  const where = mask ? ` where ${printable(files.mask ?? 'the mask')} is white` : '';
  const times = resample > 1 ? `, each step taken ${resample} times` : '';
  const picture = printable(files.from ?? 'the given picture');
  return `${picture} is redrawn${where}, strength ${strength}${times}`;
}
