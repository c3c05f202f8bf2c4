/** Operations on images by parts of a vector, with TensorFlow's operations, each with its gradient. Images are f32 NHWC. */
import { add, join, multiply, reduce, split, square, subtract } from './calls.js';
import { one, scalar } from './ops.js';
import { everyPixel, overPixels } from './pointwise.js';
import type { Tape } from './tape.js';

/** The parts of a vector [batch, Σ lengths]: divided once, however many operations read them, so that one join is its gradient. */
export function divided<V>(tape: Tape<V>, x: V, lengths: readonly number[]): readonly V[] {
  const { ops } = tape;
  const parts = split(ops, x, lengths, 1);
  return tape.recordAll(parts, (gradients) => tape.give(x, join(ops, gradients, 1)));
}

/**
 * x̂·(1 + scale) + shift with x̂ = (x − mean)·r, r = 1/√(variance + ε), over the channels of each pixel; the vectors `scale` and `shift` are
 * of every pixel. The backward pass reads x̂, in place of x.
 */
export function adaNorm<V>(
  tape: Tape<V>,
  x: V,
  { shift, scale }: { readonly shift: V; readonly scale: V },
  { eps, channels }: { readonly eps: number; readonly channels: number },
): V {
  const { ops } = tape;
  const mean = (of: V) => reduce(ops, 'Mean', of, [3], true);
  const centred = subtract(ops, x, mean(x));
  const variance = mean(square(ops, centred));
  const root = one(ops, 'Rsqrt', [add(ops, variance, scalar(ops, eps))]);
  const normal = multiply(ops, centred, root);
  const slope = everyPixel(ops, add(ops, scale, scalar(ops, 1)), channels);
  const y = add(ops, multiply(ops, normal, slope), everyPixel(ops, shift, channels));
  return tape.record(y, (dy) => {
    const products = multiply(ops, dy, normal);
    tape.give(shift, overPixels(ops, dy));
    tape.give(scale, overPixels(ops, products));
    // dx = r·(slope·dy − m₁ − x̂·m₂), with the means m₁ of slope·dy and m₂ of slope·dy·x̂.
    const gradient = multiply(ops, dy, slope);
    const tilt = multiply(ops, normal, mean(multiply(ops, products, slope)));
    const moved = subtract(ops, subtract(ops, gradient, mean(gradient)), tilt);
    tape.give(x, multiply(ops, moved, root));
  });
}

/** a + x·gate, with the vector `gate` for every pixel. */
export function gated<V>(tape: Tape<V>, a: V, x: V, gate: V, channels: number): V {
  const { ops } = tape;
  const factor = everyPixel(ops, gate, channels);
  return tape.record(add(ops, a, multiply(ops, x, factor)), (dy) => {
    tape.give(a, dy);
    tape.give(x, multiply(ops, dy, factor));
    tape.give(gate, overPixels(ops, multiply(ops, dy, x)));
  });
}
