/**
 * The sinusoidal time embedding for every timestep, f32 [timesteps, stride]: sin(t·ω_i) then cos(t·ω_i) with
 * ω_i = exp(−i·ln(10000)/(half−1)), half = timeDim/2 (Vaswani et al., 2017, section 3.5, with the divisor of the
 * reference), zeros from timeDim to `stride`. Frequency and angle are rounded to f32 as PyTorch rounds them: at
 * t = 299 that moves an angle by up to 1e-5.
 */
export function timeTable(timesteps: number, timeDim: number, stride: number): Float32Array {
  const half = timeDim / 2;
  const table = new Float32Array(timesteps * stride);
  for (let i = 0; i < half; i++) {
    const rate = Math.fround(-Math.log(10000) / (half - 1));
    const frequency = Math.fround(Math.exp(Math.fround(i * rate)));
    for (let t = 0; t < timesteps; t++) {
      const angle = Math.fround(t * frequency);
      table[t * stride + i] = Math.sin(angle);
      table[t * stride + half + i] = Math.cos(angle);
    }
  }
  return table;
}
