import { UsageError } from '../errors.js';
import type { Trajectory } from './sampler.js';
import { type SamplerName, STANDING_ALONE } from './samplers.js';

/** Between the noise streams of a step's repetitions: more than there are timesteps. */
const APART = 2 ** 20;

/**
 * The trajectory with each row but the last `times` over, for RePaint; each has noise of its own.
 * @throws UsageError for a sampler whose steps use earlier ones
 */
export function resampled(whole: Trajectory, sampler: SamplerName, times: number): Trajectory {
  if (times === 1) return whole;
  if (!STANDING_ALONE.includes(sampler))
    throw new UsageError(
      `--resample: belongs to samplers whose steps evaluate the network once and use no earlier ones (${STANDING_ALONE.join(', ')}), got ${sampler}`,
    );
  const { timesteps, streams, coefficients, width, levels, scales } = whole;
  const last = timesteps.length - 1;
  const rows = Array.from(timesteps, (_, row) => row).flatMap((row) =>
    Array.from({ length: row === last ? 1 : times }, (_, again) => ({ row, again })),
  );
  return {
    ...whole,
    timesteps: Float64Array.from(rows, ({ row }) => timesteps[row]!),
    streams: Uint32Array.from(rows, ({ row, again }) => streams[row]! + again * APART),
    coefficients: Float32Array.from(
      rows.flatMap(({ row }) => [...coefficients.subarray(row * width, (row + 1) * width)]),
    ),
    levels: rows.map(({ row }) => levels![row]!),
    scales: Float64Array.from([scales[0]!, ...rows.map(({ row }) => scales[row + 1]!)]),
  };
}
