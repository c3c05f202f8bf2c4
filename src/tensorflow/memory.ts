/** What a U-Net takes on TensorFlow, which plans nothing ahead and tells nothing: an estimate. */
import { countParameters, stages } from '../unet/architecture.js';
import type { UnetShape } from './unet.js';

/** libtensorflow and tfjs with nothing in them. */
const LIBRARY = 450e6;

/** Images of a stage alive at once: in training all those that backward reads, in evaluation a few. */
const IMAGES = { training: 8, evaluation: 3 };

/** Bytes, within a tenth or so: 2.1 GB for the reference's model at batch 8, where 2.2 GB were measured. */
export function estimateMemory(shape: UnetShape, training: boolean): number {
  const { architecture, size, batch } = shape;
  const halvings = architecture.widths.length - 1;
  // Weights; in training also gradients and two moments.
  const parameters = 4 * countParameters(architecture) * (training ? 4 : 1);
  const values = stages(architecture).reduce((sum, { up, outputs }, i) => {
    const side = size / 2 ** (up ? 2 * halvings - i : i);
    return sum + batch * side ** 2 * outputs;
  }, 0);
  const images = 4 * values * (training ? IMAGES.training : IMAGES.evaluation);
  return LIBRARY + parameters + images;
}
