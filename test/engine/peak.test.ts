import test from 'ava';
import { memoryBandwidth, microKernelPeak } from '../../src/engine/peak.js';

/** No processor does more per core and cycle, or has faster memory: a clock that starts late shows far more. */
const MOST = { gflopsPerThread: 64 * 6, gigabytes: 2000 };

for (const threads of [1, 2])
  test.serial(`limits are measured over all of the work, ${threads} threads`, async (t) => {
    for (let i = 0; i < 3; i++) {
      const options = { threads, strict: false, wide: null };
      const peak = await microKernelPeak(options);
      t.true(peak > 0.1 && peak < threads * MOST.gflopsPerThread, `${peak}`);
      const bandwidth = await memoryBandwidth(options);
      t.true(bandwidth > 0.01 && bandwidth < MOST.gigabytes, `${bandwidth}`);
    }
  });
