import type { NetworkDevice, NetworkOptions } from '../contracts/device.js';
import type { ReverseStep } from '../diffusion/reverse-walk.js';

/** The subject of a comparison: a U-Net of some shape, and the arithmetic around it. Images are [batch, height, width, channel]. */
export interface Subject {
  unet(options: NetworkOptions): Promise<NetworkDevice>;
  /** q(x_t|x_0) with one timestep per image. */
  qSample(x0: Float32Array, t: Int32Array, noise: Float32Array): Promise<Float32Array>;
  /** The ancestral step from x_t with ε̂ and the noise z, all images at t. */
  pSample(
    x: Float32Array,
    epsilon: Float32Array,
    t: number,
    z: Float32Array,
  ): Promise<Float32Array>;
  /** The steps of any trajectory. */
  readonly reverse: ReverseStep;
}
