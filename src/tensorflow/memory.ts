import { buildNetwork } from '../network/network.js';
import { countParameters } from '../network/parameters.js';
/** What a U-Net takes on TensorFlow, which plans nothing ahead and tells nothing: an estimate. */
import { stages } from '../unet/architecture.js';
import { chooseTile, convolutions, type Use } from './algorithm.js';
import { loweredSize } from './lowering.js';
import type { UnetShape } from './unet.js';

/** Bytes of libtensorflow and tfjs with nothing in them. */
const LIBRARY = 450e6;

/** Images of a stage alive at once: in training all those that backward reads, in evaluation a few. */
const IMAGES: Readonly<Record<Use, number>> = { training: 8, prediction: 3 };

/** Bytes of a process whose one U-Net this is; `direct` where TensorFlow's own convolutions compute all. */
export const estimateMemory = (shape: UnetShape, use: Use, direct = false): number =>
  LIBRARY + estimateUnet(shape, use, direct);

/** Bytes of a U-Net where libtensorflow is loaded already. */
export function estimateUnet(shape: UnetShape, use: Use, direct = false): number {
  // Weights; in training also gradients and two moments.
  const parameters =
    countParameters(buildNetwork(shape.architecture)) * (use === 'training' ? 4 : 1);
  const images = stageValues(shape) * IMAGES[use];
  return 4 * (parameters + images + (direct ? 0 : loweredValues(shape, use)));
}

/** Values in one image of every stage, as its convolutions put it out. */
function stageValues({ architecture, size, batch }: UnetShape): number {
  const halvings = architecture.widths.length - 1;
  return stages(architecture).reduce((sum, { up, outputs }, i) => {
    const side = size / 2 ** (up ? 2 * halvings - i : i);
    return sum + batch * side ** 2 * outputs;
  }, 0);
}

/**
 * Values in the forms that convolutions as products take: their weights stay (in training until backward has read them),
 * of images all that backward reads, or in prediction the largest layer's alone.
 */
function loweredValues(shape: UnetShape, use: Use): number {
  const forms = convolutions(shape).flatMap(([, c]) => {
    const tile = chooseTile(c, use);
    if (tile === null) return [];
    const { points, rows, pixels } = loweredSize(c, tile);
    const depth = pixels * c.inputs;
    return [{ weights: points * depth * c.outputs, image: points * rows * (depth + c.outputs) }];
  });
  const images = forms.map(({ image }) => image);
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const alive = use === 'training' ? sum(images) : Math.max(0, ...images);
  return sum(forms.map(({ weights }) => weights)) + alive;
}
