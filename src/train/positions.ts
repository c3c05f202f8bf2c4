import type { RunConfig } from '../config/config.js';
import { type PositionOptions, type Positions, quarterOf } from '../diffusion/mixture.js';
import { QUARTERS, type Quarters } from '../io/metrics.js';

/** How a run draws how noisy its images are. */
export const positionsOf = ({ diffusion, training }: RunConfig): PositionOptions => ({
  timesteps: diffusion.timesteps,
  flow: diffusion.objective === 'flow',
  sampling: training.timeSampling,
});

/** The mean loss of the images in each quarter of the timesteps; quarters without images are omitted. */
export function lossByQuarter(
  positions: Positions,
  losses: Float64Array,
  options: PositionOptions,
): Quarters {
  const quarters = Array.from(positions, (position) => quarterOf(position, options));
  const means = QUARTERS.flatMap((name, quarter) => {
    const own = losses.filter((_, i) => quarters[i] === quarter);
    return own.length > 0 ? [[name, own.reduce((a, b) => a + b, 0) / own.length]] : [];
  });
  return Object.fromEntries(means);
}
