import type { RunConfig } from '../config/config.js';
import { type PositionOptions, type Positions, quarterOf } from '../diffusion/mixture.js';
import { makeSchedule } from '../diffusion/schedule.js';
import { QUARTERS, type Quarters } from '../io/metrics.js';
import { distillationOf } from './teacher-files.js';

/** How a run draws how noisy its images are: with a teacher, only where its own steps begin. */
export function positionsOf(config: RunConfig): PositionOptions {
  const { diffusion, training } = config;
  const taught = distillationOf(config, makeSchedule(diffusion));
  return {
    timesteps: diffusion.timesteps,
    flow: diffusion.objective === 'flow',
    sampling: training.timeSampling,
    ...(taught && { among: taught.positions }),
  };
}

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
