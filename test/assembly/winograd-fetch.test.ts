import test from 'ava';
import { pointer } from '../../src/engine/pointer.js';
import type { TiledConvolution } from '../../src/engine/winograd/algorithms.js';
import { planForward, type Way } from '../../src/engine/winograd/forward.js';
import { convolve, relativeError } from '../helpers/convolution.js';
import { Bench, values } from '../helpers/kernels.js';
import { walk } from '../helpers/program.js';

const PAGE = 65536;

/*
 * Transforms read ahead of the tiles they are at, beyond the tensor where it ends; memory ends there too for the last one
 * of an arena.
 */
for (const [pixel, what] of [
  [8, 'a tensor of its own'],
  [24, 'a part of a wider tensor'],
] as const)
  for (const way of ['blocks', 'chunks'] as const satisfies Way[])
    for (const last of ['input', 'output'] as const)
      test(`Nothing is read beyond the end of memory: the ${last} is ${what}, by ${way}`, (t) => {
        const feature = { height: 12, width: 12, channels: 8, pixel };
        const shape = { kind: 'conv', algorithm: 'F(4,3)', batch: 2 } as const;
        const c: TiledConvolution = { ...shape, input: feature, output: feature };
        const plan = planForward(c, way);
        const bench = new Bench('strict', 1, { bytes: 16 * PAGE });
        const floats = 2 * 12 * 12 * pixel;
        const x = values(floats, 1);
        const w = values(9 * 64, 2);
        const end = pointer(16 * PAGE - 4 * floats);
        const other = bench.alloc(4 * floats);
        const [from, to] = last === 'input' ? [end, other] : [other, end];
        new Float32Array(bench.memory.buffer, from, floats).set(x);
        const pointers = {
          descriptor: bench.put(plan.descriptor),
          worker: bench.alloc(plan.workerBytes),
          scratch: bench.alloc(plan.scratchBytes),
          u: bench.alloc(plan.weightBytes),
        };
        walk(bench, plan.forward({ ...pointers, w: bench.put(w), x: from, y: to }));
        const y = new Float64Array(floats);
        convolve(c, x, w, y);
        t.true(relativeError(bench.f32(to, floats), y) < 5e-5);
      });
