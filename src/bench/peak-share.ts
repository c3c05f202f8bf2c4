import type { LayerTime } from '../engine/network/layer-times.js';
import { ALGORITHMS, type WinogradAlgorithm } from '../engine/winograd/algorithms.js';

/**
 * What part of the time the products would need by themselves, at the speed of the micro-kernel on data in its cache: the
 * rest is transforms, memory and waiting. Winograd's products are fewer than the direct sum's, and those of the kernels' own convolution may
 * be more or fewer. Null where nothing is convolved.
 */
export function peakShare({ gflops, algorithm, taps = 1 }: LayerTime, peak: number): number | null {
  if (gflops === null) return null;
  const saving = isWinograd(algorithm) ? ALGORITHMS[algorithm].saving : 1;
  return (gflops * taps) / saving / peak;
}

const isWinograd = (name: string | null): name is WinogradAlgorithm =>
  name !== null && Object.hasOwn(ALGORITHMS, name);
