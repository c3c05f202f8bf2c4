import type { NetworkDevice, NetworkInput } from '../contracts/device.js';
import type { NetworkConfig } from '../network/network.js';

import { Comparison, type Group } from './compare.js';
import type { Fixture } from './fixture.js';
import type { Images } from './images.js';
import { constant } from './tolerances.js';

/** A U-Net on its device, for the fixture's batch. */
export interface Pass {
  readonly fixture: Fixture;
  readonly images: Images;
  readonly net: NetworkConfig;
  readonly unet: NetworkDevice;
  readonly input: NetworkInput;
}

/** Compares ε̂ [batch, channel, height, width] with the fixture's tensor `name`. */
export function compareEpsilon(
  name: string,
  { fixture, images: { shape } }: Pass,
  got: Float32Array,
  tolerance: number,
): Group | null {
  const comparison = new Comparison(name);
  comparison.add(name, shape, got, fixture.shaped(name, shape).data, constant(tolerance));
  return comparison.result();
}
