import type { ComputingConfig, DeviceChoice } from '../config/config.js';
import { CheckError } from '../errors.js';

/**
 * Which device computes the U-Net, and why. TensorFlow is examined only if it matters.
 * @throws CheckError if a CUDA GPU is required and none is usable or would compute; UsageError for a device
 *   that is not set up.
 */
export async function chooseDevice(
  { device, arithmetic }: ComputingConfig,
  requireCuda: boolean,
): Promise<Omit<DeviceChoice, 'description'>> {
  if (requireCuda) {
    await (await import('../tensorflow/describe.js')).requireCuda();
    if (device === 'wasm')
      throw new CheckError(
        '--require cuda: --device wasm does not compute on the GPU; tensorflow and auto do',
      );
  }
  if (device === 'tensorflow' || arithmetic === 'tensorflow')
    (await import('../tensorflow/locate.js')).requireInstall();
  if (device !== 'auto') return { device, why: `--device ${device}` };
  const gpu = await (await import('../tensorflow/describe.js')).usableGpu();
  if ('name' in gpu) return { device: 'tensorflow', why: `auto found ${gpu.name}` };
  return { device: 'wasm', why: `auto found no usable GPU: ${gpu.why}` };
}
