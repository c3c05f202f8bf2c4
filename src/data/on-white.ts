/** Transparency on white, the usual background of cut-outs. */

/** Blends RGB with white by each pixel's opacity; truncated to whole levels, like libvips. */
export function onWhite(
  pixels: Uint8Array,
  opaque: number,
  opacity: (pixel: number) => number,
): void {
  for (let i = 0; i < pixels.length; i++) {
    const a = Math.min(opaque, Math.max(0, opacity(Math.floor(i / 3))));
    pixels[i] = (pixels[i]! * a + 255 * (opaque - a)) / opaque;
  }
}

/** RGB from RGBA, u8 [pixels, 4]. */
export function flattened(rgba: Uint8Array): Uint8Array {
  const pixels = Uint8Array.from(
    { length: (rgba.length / 4) * 3 },
    (_, i) => rgba[4 * Math.floor(i / 3) + (i % 3)]!,
  );
  onWhite(pixels, 255, (pixel) => rgba[4 * pixel + 3]!);
  return pixels;
}
