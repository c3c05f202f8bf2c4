/** Figures of pairs of features: the kernel distance, and precision and recall, in one walk over the pairs. */
import type { CounterRandom } from '../diffusion/random.js';
import type { Breath } from './breath.js';
import { type KernelDistance, KernelDistanceSums, type SubsetOptions } from './kernel-distance.js';
import { eachOwnPair, eachPair, type Rows, squares } from './pairs.js';
import { type PrecisionRecall, PrecisionRecallCounts } from './precision-recall.js';

export interface PairOptions extends SubsetOptions {
  /** k of precision and recall. */
  readonly neighbours: number;
}

export interface PairResults {
  readonly kernel: KernelDistance;
  readonly coverage: PrecisionRecall;
}

/** Both sets need more rows than `neighbours`. */
export async function compareFeatures(
  samples: Rows,
  reference: Rows,
  options: PairOptions,
  random: CounterRandom,
  breath: Breath,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<PairResults> {
  const counts = [samples.count, reference.count] as const;
  const kernel = new KernelDistanceSums(counts, samples.features, options, random);
  const lengths = [squares(samples), squares(reference)] as const;
  const coverage = new PrecisionRecallCounts(lengths, options.neighbours);
  const [n, m] = counts;
  const total = (n * n) / 2 + (m * m) / 2 + n * m;
  let done = 0;
  const onTile = (pairs: number) => {
    done = Math.min(total, done + pairs);
    onProgress(done, total);
  };
  const ofSamples = (i: number, j: number, dot: number) => {
    kernel.addSamples(i, j, dot);
    coverage.addOwn(0, i, j, dot);
  };
  const ofReference = (i: number, j: number, dot: number) => {
    kernel.addReference(i, j, dot);
    coverage.addOwn(1, i, j, dot);
  };
  const across = (i: number, j: number, dot: number) => {
    kernel.addAcross(i, j, dot);
    coverage.addAcross(i, j, dot);
  };
  await eachOwnPair(samples, ofSamples, breath, onTile);
  await eachOwnPair(reference, ofReference, breath, onTile);
  await eachPair(samples, reference, across, breath, onTile);
  return { kernel: kernel.result(), coverage: coverage.result() };
}
