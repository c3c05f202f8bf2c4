import { sinusoids, timesteps } from '../network/sinusoid.js';

/** The reference's sinusoids of every timestep, f32 [timesteps, stride]. */
export const timeTable = (count: number, timeDim: number, stride: number): Float32Array =>
  sinusoids(
    timesteps(count),
    {
      order: 'sin-cos',
      shift: 1,
      divide: 'before',
      out: { id: 0, side: 0, channels: timeDim, parts: [timeDim] },
    },
    stride,
  );
