/** The shape of a source's images before they are scaled. */
import sharp from 'sharp';
import type { Item, Source } from './source.js';

/** The shape of a set's own images, taken from one of them. */
export interface OwnShape {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** Their size; null if they are not square. */
  readonly size: number | null;
}

/** Files to try until one can be read. */
const TRIED = 16;

/** The shape of the first readable image; null if none of the first ones can be read. */
export async function ownShape(source: Source): Promise<OwnShape | null> {
  for (let i = 0; i < Math.min(TRIED, source.count); i++) {
    const shape = await shapeOf(source.item(i));
    if (!shape) continue;
    const { width, height, channels } = shape;
    const size = width === height ? width : null;
    return { width, height, size, channels: channels < 3 ? 1 : 3 };
  }
  return null;
}

/** Files to look at for another size, at even distances: all of many would take as long as decoding them. */
const LOOKED_AT = 256;

/** Whether images of other sizes than `own` are found. */
export async function hasOtherSizes(source: Source, own: OwnShape): Promise<boolean> {
  const step = Math.max(1, source.count / LOOKED_AT);
  for (let i = 0; i < source.count; i += step) {
    const shape = await shapeOf(source.item(Math.floor(i)));
    if (shape && (shape.width !== own.width || shape.height !== own.height)) return true;
  }
  return false;
}

/** Toy cars can be drawn at any size; this is the presets'. */
const CAR = { width: 32, height: 32, channels: 3 };

async function shapeOf(
  item: Item,
): Promise<{ width: number; height: number; channels: number } | undefined> {
  if (item.kind === 'car') return CAR;
  if (item.kind === 'record') return item;
  // sharp would take a path that is not UTF-8, as bytes, for the picture itself.
  if (typeof item.path !== 'string') return undefined;
  const found = await sharp(item.path)
    .metadata()
    .catch(() => undefined);
  if (!found) return undefined;
  const { width, height, channels, orientation = 1 } = found;
  return orientation < 5 ? { width, height, channels } : { width: height, height: width, channels };
}
