import { plural } from '../units.js';
import type { Trajectory } from './sampler.js';

/** `25 reverse steps`; and how often the network is evaluated, if steps of Heun or repeated steps make that more. */
export function stepsInWords({ timesteps, levels }: Trajectory): string {
  const rows = timesteps.length;
  // Rows of one step end at the same moment.
  const steps = levels ? new Set(levels.map(({ to }) => to)).size : rows;
  const text = plural(steps, 'reverse step');
  return rows === steps ? text : `${text} in ${rows} evaluations`;
}
