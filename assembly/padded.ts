/** Channels of an image with their padding, which makes them a multiple of 8. */
export function padded(channels: i32): i32 {
  return (channels + 7) & ~7;
}
