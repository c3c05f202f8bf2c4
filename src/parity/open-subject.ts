import type { ComputingConfig, DeviceChoice } from '../config/config.js';
import { DIFFUSION_DEFAULTS } from '../config/diffusion.js';
import type { Loss } from '../contracts/device.js';
import { openArithmetic, openUnet } from '../device/open.js';
import { makeTrajectory } from '../diffusion/sampler.js';
import { makeSchedule } from '../diffusion/schedule.js';
import type { Subject } from './subject.js';

/** The chosen device and arithmetic, with the reference's own schedule. */
export async function openSubject(
  device: DeviceChoice['device'],
  computing: ComputingConfig,
  loss: Loss,
): Promise<Subject> {
  // TF32 has 10-bit mantissas, which exceeds every tolerance of parity.
  if (device === 'tensorflow' || computing.arithmetic === 'tensorflow')
    await (await import('../tensorflow/load.js')).loadTensorflow({ tf32: false });
  const schedule = makeSchedule(DIFFUSION_DEFAULTS);
  const { coefficients, width } = makeTrajectory(schedule, { sampler: 'ancestral' });
  const arithmetic = await openArithmetic(computing);
  return {
    unet: async (options) =>
      (await openUnet(device, computing, { loss, training: true, ...options })).unet,
    reverse: arithmetic,
    qSample: async (x0, t, noise) => arithmetic.qSampleImages(x0, noise, schedule, t),
    pSample: async (x, epsilon, t, z) => {
      // The trajectory starts at T−1.
      const row = width * (schedule.timesteps - 1 - t);
      return arithmetic.reverseStep('pSample', x, epsilon, z, coefficients.slice(row, row + width));
    },
  };
}
