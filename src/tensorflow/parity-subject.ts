/** What `haze parity --device tensorflow` compares: the U-Net and the arithmetic on TensorFlow. */
import { DIFFUSION_DEFAULTS } from '../config/diffusion.js';
import { makeTrajectory } from '../diffusion/sampler.js';
import { makeSchedule } from '../diffusion/schedule.js';
import type { Subject } from '../parity/subject.js';
import { createTensorflowArithmetic } from './arithmetic.js';
import { loadTensorflow } from './load.js';
import { createTensorflowUnet } from './unet-device.js';

/** @throws UsageError where TensorFlow is not set up. */
export async function tensorflowSubject(eager: boolean): Promise<Subject> {
  // TF32 rounds to 10 bits, which no tolerance of parity allows.
  await loadTensorflow({ tf32: false });
  const schedule = makeSchedule(DIFFUSION_DEFAULTS);
  const { coefficients, width } = makeTrajectory(schedule, { sampler: 'ancestral' });
  const arithmetic = await createTensorflowArithmetic();
  return {
    unet: (shape) => createTensorflowUnet({ ...shape, eager }),
    qSample: async (x0, t, noise) => arithmetic.qSampleImages(x0, noise, schedule, t),
    pSample: async (x, epsilon, t, z) => {
      // The trajectory visits T−1 first.
      const row = width * (schedule.timesteps - 1 - t);
      return arithmetic.reverseStep('pSample', x, epsilon, z, coefficients.slice(row, row + width));
    },
  };
}
