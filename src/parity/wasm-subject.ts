import { threadCount } from '../config/computing.js';
import type { ComputingConfig } from '../config/config.js';
import { DIFFUSION_DEFAULTS } from '../config/diffusion.js';
import { makeTrajectory } from '../diffusion/sampler.js';
import { makeSchedule } from '../diffusion/schedule.js';
import { Arithmetic } from '../engine/arithmetic.js';
import { WasmUnet } from '../engine/unet/wasm-unet.js';
import type { Subject } from './subject.js';

/** The wasm device and arithmetic, as the reference's own schedule has them. */
export function wasmSubject(computing: ComputingConfig): Subject {
  const schedule = makeSchedule(DIFFUSION_DEFAULTS);
  const { coefficients, width } = makeTrajectory(schedule, { sampler: 'ancestral' });
  const arithmetic = new Arithmetic();
  return {
    unet: async (shape) => {
      const options = { threads: threadCount(computing), strict: computing.strict };
      return WasmUnet.create({ ...shape, ...options }).unet;
    },
    qSample: async (x0, t, noise) => arithmetic.qSampleImages(x0, noise, schedule, t),
    pSample: async (x, epsilon, t, z) => {
      // The trajectory visits T−1 first.
      const row = width * (schedule.timesteps - 1 - t);
      return arithmetic.reverseStep('pSample', x, epsilon, z, coefficients.slice(row, row + width));
    },
  };
}
