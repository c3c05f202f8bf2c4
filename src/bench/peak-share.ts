import type { LayerTime } from '../engine/network/layer-times.js';
import { ALGORITHMS, type WinogradAlgorithm } from '../engine/winograd/algorithms.js';

/**
 * The share of the time that the products alone would need, at the speed of the micro-kernel on data in its cache; the
 * rest is transforms, memory and waiting. Winograd has fewer products than direct convolution; the kernels' own convolutions
 * may have more or fewer. Null if nothing is convolved.
 */
export function peakShare({ gflops, algorithm, taps = 1 }: LayerTime, peak: number): number | null {
  if (gflops === null) return null;
  const saving = isWinograd(algorithm) ? ALGORITHMS[algorithm].saving : 1;
  return (gflops * taps) / saving / peak;
}

const isWinograd = (name: string | null): name is WinogradAlgorithm =>
  name !== null && Object.hasOwn(ALGORITHMS, name);
