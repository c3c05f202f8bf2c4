import { pointer } from '../../src/engine/pointer.js';
import { eachBuild } from '../helpers/kernels.js';

/* The words of the barrier (assembly/barrier.ts), in bytes from its address. */
const GENERATION = 64;
const ABORT = 192;
const ABORTED = 1;
const SLEPT = 2;
const WAIT = 1_000_000n;
const STATE = pointer(4096);

eachBuild(
  'The last worker to arrive opens the barrier and reports nothing',
  (t, { kernels, memory }) => {
    const words = new Int32Array(memory.buffer, 4096, 64);
    words[0] = 1;
    t.is(kernels.barrier(STATE, 2, 10, WAIT), 0);
    t.is(words[0], 0, 'for the next time nobody has arrived');
    t.is(words[GENERATION >> 2], 1);
  },
);

eachBuild(
  'A worker whose wait ends by an abort sees the abort, and reports that spinning did not help',
  (t, bench) => {
    const words = new Int32Array(bench.memory.buffer, 4096, 64);
    words[ABORT >> 2] = 1;
    t.is(bench.kernels.barrier(STATE, 2, 10, WAIT), ABORTED | SLEPT);
  },
);

eachBuild('A single worker does not wait, but still sees an abort', (t, { kernels, memory }) => {
  t.is(kernels.barrier(STATE, 1, 10, WAIT), 0);
  new Int32Array(memory.buffer, 4096, 64)[ABORT >> 2] = 1;
  t.is(kernels.barrier(STATE, 1, 10, WAIT), ABORTED);
});
