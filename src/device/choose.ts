import type { ComputingConfig, DeviceChoice } from '../config/config.js';

/**
 * Which device computes, and why. TensorFlow is looked at only where it is asked for: looking takes a second.
 * @throws CheckError when a CUDA GPU is required and none is usable, saying what is missing.
 */
export async function chooseDevice(
  { device }: ComputingConfig,
  requireCuda: boolean,
): Promise<Omit<DeviceChoice, 'description'>> {
  if (requireCuda) {
    await (await describer()).requireCuda();
    if (device === 'wasm') return { device, why: '--device wasm; a CUDA GPU is there but unused' };
  }
  if (device !== 'auto') return { device, why: `--device ${device}` };
  const { used } = await (await describer()).describeTensorflow();
  if (used === undefined || used === 'cpu')
    return { device: 'wasm', why: 'auto found no usable GPU' };
  return { device: 'tensorflow', why: `auto found ${used.name}` };
}

const describer = () => import('../tensorflow/describe.js');
