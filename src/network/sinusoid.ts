import type { NodeOf } from './graph.js';

/** Timesteps, one per image: those of a schedule, counted from 0 (Int32Array), or any real numbers (Float32Array). */
export type Times = Int32Array | Float32Array;

/**
 * The sinusoids of positions p, f32 [positions, stride]: with half = channels/2 and ω_i = exp(−i·ln(10000)/(half − shift))
 * sin(p·ω_i) and cos(p·ω_i) in the order of the node (Vaswani et al., 2017, section 3.5), zeros from 2·half to `stride`.
 * Exponent, frequency and angle are rounded to f32 like PyTorch's: at t = 299 that changes an angle by up to 1e-5.
 */
export function sinusoids(
  positions: ArrayLike<number>,
  { order, shift, divide, out }: Omit<NodeOf<'sinusoid'>, 'op' | 'of'>,
  stride: number,
): Float32Array {
  const half = Math.floor(out.channels / 2);
  const table = new Float32Array(positions.length * stride);
  const [sine, cosine] = order === 'sin-cos' ? [0, half] : [half, 0];
  const whole = -Math.log(10000);
  const rate = Math.fround(whole / (half - shift));
  const exponent = (i: number) =>
    Math.fround(
      divide === 'before' ? i * rate : Math.fround(i * Math.fround(whole)) / (half - shift),
    );
  for (let i = 0; i < half; i++) {
    const frequency = Math.fround(Math.exp(exponent(i)));
    for (let p = 0; p < positions.length; p++) {
      const angle = Math.fround(positions[p]! * frequency);
      table[p * stride + sine + i] = Math.sin(angle);
      table[p * stride + cosine + i] = Math.cos(angle);
    }
  }
  return table;
}

/** The positions 0 … count − 1: every timestep of a schedule. */
export const timesteps = (count: number): Int32Array =>
  Int32Array.from({ length: count }, (_, t) => t);
