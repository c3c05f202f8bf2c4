import { F32 } from './f32';

/**
 * What a norm and the time embedding add to every pixel of an image: out f32 [images][channels] = shift[channels] +
 * time [images][channels]. Items: images.
 */
export function imageShift(
  out: F32,
  shift: F32,
  time: F32,
  channels: i32,
  begin: i32,
  end: i32,
): void {
  for (let image = begin; image < end; image++) {
    const at = <usize>image * channels;
    for (let c = 0; c < channels; c += 4) {
      out.setLanes(at + c, f32x4.add(shift.lanes(c), time.lanes(at + c)));
    }
  }
}
