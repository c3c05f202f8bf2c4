import { F32 } from './f32';
import { U32 } from './u32';

/** out [images] rows of `outStride` floats ← table [classes][channels] at labels: u32 [images]. Items: images. */
export function embeddingForward(
  out: F32,
  outStride: usize,
  table: F32,
  labels: U32,
  channels: usize,
  begin: usize,
  end: usize,
): void {
  for (let image = begin; image < end; image++) {
    const to = out.at(image * outStride);
    const row = table.at(<usize>labels[image] * channels);
    for (let c: usize = 0; c < channels; c += 4) to.setLanes(c, row.lanes(c));
  }
}

/**
 * Overwrites dtable [classes][channels]: the sum of the rows of dout, in the order of the images, whose label is the class; 0
 * if there is none. Items: classes.
 */
export function embeddingBackward(
  dtable: F32,
  dout: F32,
  doutStride: usize,
  labels: U32,
  images: usize,
  channels: usize,
  begin: usize,
  end: usize,
): void {
  for (let label = begin; label < end; label++) {
    const to = dtable.at(label * channels);
    for (let c: usize = 0; c < channels; c += 4) to.setLanes(c, f32x4.splat(0));
    for (let image: usize = 0; image < images; image++) {
      if (labels[image] !== <u32>label) continue;
      const from = dout.at(image * doutStride);
      for (let c: usize = 0; c < channels; c += 4)
        to.setLanes(c, f32x4.add(to.lanes(c), from.lanes(c)));
    }
  }
}
