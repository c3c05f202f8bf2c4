import type { ComputingConfig, DeviceChoice } from '../config/config.js';
import { CheckError, UsageError } from '../errors.js';

/**
 * Which device computes, and why.
 * @throws CheckError when a CUDA GPU is required and none is usable; UsageError for a device that is not set up.
 */
export function chooseDevice(
  { device, arithmetic }: ComputingConfig,
  requireCuda: boolean,
): Omit<DeviceChoice, 'description'> {
  if (requireCuda)
    throw new CheckError('--require cuda: no usable GPU, since TensorFlow is not set up');
  if (device === 'tensorflow')
    throw new UsageError('--device: tensorflow is not set up here; wasm and auto are there');
  if (arithmetic === 'tensorflow')
    throw new UsageError('--arithmetic: tensorflow is not set up here; wasm is there');
  if (device === 'auto') return { device: 'wasm', why: 'auto found no usable GPU' };
  return { device: 'wasm', why: '--device wasm' };
}
