/** Uses Benchmark.js as the harness for work that takes less than a few milliseconds. */
import Benchmark from 'benchmark';
import { RunError } from '../errors.js';
import { median } from './statistics.js';

/** Seconds per turn, after the few cycles in which Benchmark.js calibrates its number of runs. */
const TURN = 0.15;

/** Milliseconds of one run: the median of Benchmark.js's samples. @throws RunError if the work fails */
export function microTurn(run: () => void | Promise<void>): Promise<number> {
  return new Promise((resolve, reject) => {
    new Benchmark({
      defer: true,
      async: true,
      maxTime: TURN,
      minSamples: 3,
      fn: (deferred: { resolve(): void }) => {
        Promise.resolve(run()).then(() => deferred.resolve(), reject);
      },
      onError: ({ target }: { target: { error?: Error } }) =>
        reject(new RunError(`the benchmark failed: ${target.error?.message}`)),
      onComplete: ({ target }: { target: { stats: { sample: number[] } } }) => {
        const { sample } = target.stats;
        if (sample.length > 0) resolve(1000 * median(sample));
      },
    }).run();
  });
}
