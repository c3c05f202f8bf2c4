/** Lays images out side by side, enlarged so that a 32-pixel image can be seen. */
import { ShapeError, UsageError } from '../errors.js';

/** Images of one size: u8 [count, height, width, channel], row-major, without padding. */
export interface Images {
  readonly data: Uint8Array;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
}

/** One picture: u8 [height, width, channel]. */
export type Picture = Images & { readonly count: 1 };

/** Default gap in pixels. */
export const GAP = 2;

export interface Layout {
  /** Images per row; by default nearly square. */
  readonly columns?: number;
  /** Side of the square that each pixel becomes (nearest neighbour); by default the largest with which images have at most 96 pixels a side. */
  readonly scale?: number;
  /** Pixels between images and around them, white. Default 2. */
  readonly gap?: number;
}

/**
 * All images in rows.
 * @throws ShapeError if the data do not match the sizes, or are empty; UsageError for anything but images and whole numbers
 */
export function grid(images: Images, layout: Layout = {}): Picture {
  checkImages('grid', images);
  checkLayout(layout);
  const { count, height, width, channels } = images;
  const columns = Math.min(layout.columns ?? Math.ceil(Math.sqrt(count)), count);
  const gap = layout.gap ?? GAP;
  const scale = layout.scale ?? Math.max(1, Math.floor(96 / Math.max(height, width)));
  const cell = { height: height * scale + gap, width: width * scale + gap };
  const picture: Picture = {
    count: 1,
    height: gap + Math.ceil(count / columns) * cell.height,
    width: gap + columns * cell.width,
    channels,
    data: new Uint8Array(0),
  };
  const data = new Uint8Array(picture.height * picture.width * channels).fill(255);
  for (let k = 0; k < count; k++) {
    const top = gap + Math.floor(k / columns) * cell.height;
    const left = gap + (k % columns) * cell.width;
    paste(images, k, scale, data, picture.width, top, left);
  }
  return { ...picture, data };
}

/** All images in one row: the frames of a film. @throws ShapeError like `grid` */
export function strip(frames: Images, layout: Omit<Layout, 'columns'> = {}): Picture {
  checkImages('strip', frames);
  return grid(frames, { ...layout, columns: frames.count });
}

/**
 * A row for each image, a column for each frame: e.g. several images on their way from noise.
 * @throws ShapeError if the frames differ in number or size of images, or there are none
 */
export function film(frames: readonly Images[], layout: Omit<Layout, 'columns'> = {}): Picture {
  checkFrames('film', frames);
  const first = frames[0];
  if (!first) throw new ShapeError('film: expected one frame or more, got none');
  const size = first.height * first.width * first.channels;
  const data = new Uint8Array(first.count * frames.length * size);
  for (const [column, frame] of frames.entries()) {
    if (shape(frame) !== shape(first))
      throw new ShapeError(`film: frame ${column} is ${shape(frame)}, the first ${shape(first)}`);
    for (let k = 0; k < frame.count; k++)
      data.set(frame.data.subarray(k * size, (k + 1) * size), (k * frames.length + column) * size);
  }
  const count = first.count * frames.length;
  return grid({ ...first, data, count }, { ...layout, columns: frames.length });
}

/** Copies image k, each pixel as a square of `scale`, into rows of `rowWidth` pixels. */
function paste(
  images: Images,
  k: number,
  scale: number,
  out: Uint8Array,
  rowWidth: number,
  top: number,
  left: number,
): void {
  const { height, width, channels, data } = images;
  for (let y = 0; y < height * scale; y++) {
    const from = (k * height + Math.floor(y / scale)) * width * channels;
    const to = ((top + y) * rowWidth + left) * channels;
    for (let x = 0; x < width * scale; x++) {
      const pixel = from + Math.floor(x / scale) * channels;
      for (let c = 0; c < channels; c++) out[to + x * channels + c] = data[pixel + c]!;
    }
  }
}

/** @throws UsageError for anything but images; ShapeError if the data do not match the sizes, or are empty */
export function checkImages(where: string, images: Images): void {
  const { data, count, height, width, channels }: Partial<Images> = images ?? {};
  const sizes = { count, height, width, channels };
  const sound = Object.values(sizes).every((size) => Number.isSafeInteger(size) && size! >= 0);
  if (!((data as unknown) instanceof Uint8Array) || !sound)
    throw new UsageError(
      `${where}: expected { data, count, height, width, channels }, with data in a Uint8Array and whole numbers`,
    );
  const expected = count! * height! * width! * channels!;
  if (expected === 0) throw new ShapeError(`${where}: expected one image or more, got none`);
  if (data!.length !== expected)
    throw new ShapeError(
      `${where}: ${count} images of ${height}x${width}x${channels} have ${expected} bytes, data has ${data!.length}`,
    );
}

/** Checks each of several. @throws like `checkImages`, and UsageError for anything but a list */
export function checkFrames(where: string, frames: readonly Images[]): void {
  if (!Array.isArray(frames)) throw new UsageError(`${where}: expected a list of frames`);
  for (const frame of frames) checkImages(where, frame);
}

/** @throws UsageError for anything but whole numbers */
function checkLayout(layout: Layout): void {
  if (typeof layout !== 'object' || layout === null)
    throw new UsageError(`grid: expected an object of settings, got ${String(layout)}`);
  for (const [name, least] of [
    ['columns', 1],
    ['scale', 1],
    ['gap', 0],
  ] as const) {
    const value = layout[name] ?? least;
    if (!Number.isSafeInteger(value) || value < least)
      throw new UsageError(
        `grid.${name}: expected a whole number of ${least} or more, got ${String(value)}`,
      );
  }
}

const shape = ({ count, height, width, channels }: Images): string =>
  `${count}x${height}x${width}x${channels}`;
