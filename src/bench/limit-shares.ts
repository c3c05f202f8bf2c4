import type { LayerTime } from '../engine/network/layer-times.js';
import { ALGORITHMS, type WinogradAlgorithm } from '../engine/winograd/algorithms.js';
import type { LayerReport } from './result.js';

/** What the machine can do at most. */
export type Limits = Pick<LayerReport, 'peak' | 'bandwidth'>;

/** How much of the machine's limits was reached; null where there is nothing to compare. */
export interface LimitShares {
  /**
   * The share of the time that the products alone would need, at the speed of the micro-kernel on data in its cache; the
   * rest is transforms, memory and waiting. Winograd has fewer products than direct convolution; the kernels' own convolutions
   * may have more or fewer.
   */
  readonly ofPeak: number | null;
  /** The share of the time that moving the bytes from and to memory would need; above 1 if they come from a cache. */
  readonly ofBandwidth: number | null;
}

/** Of one row. */
export function limitShares(row: LayerTime, limits: Limits): LimitShares {
  const { ms, bytes } = row;
  return {
    ofPeak: peakShare(row, limits.peak),
    ofBandwidth: bytes === null ? null : bytes / ms / 1e6 / limits.bandwidth,
  };
}

function peakShare({ gflops, algorithm, taps = 1 }: LayerTime, peak: number): number | null {
  if (gflops === null) return null;
  const saving = isWinograd(algorithm) ? ALGORITHMS[algorithm].saving : 1;
  return (gflops * taps) / saving / peak;
}

const isWinograd = (name: string | null): name is WinogradAlgorithm =>
  name !== null && Object.hasOwn(ALGORITHMS, name);
