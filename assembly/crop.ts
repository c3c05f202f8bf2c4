import { U8 } from './u8';

/**
 * A window of an image: out[y][x] = pixels[top + y][left + x].
 * out: u8[outHeight][outWidth][channels]; pixels: u8[height][width][channels], around the window.
 * Items are the output rows.
 */
export function crop(
  out: U8,
  pixels: U8,
  width: usize,
  left: usize,
  top: usize,
  outWidth: usize,
  channels: usize,
  begin: usize,
  end: usize,
): void {
  const length = outWidth * channels;
  for (let y = begin; y < end; y++) {
    const from = pixels.at(((top + y) * width + left) * channels);
    memory.copy(changetype<usize>(out.at(y * length)), changetype<usize>(from), length);
  }
}
