import { weightGradientCall } from '../../src/engine/convolution.js';
import { close, eachSplit } from '../helpers/kernels.js';
import {
  type Case,
  place,
  rows,
  weightGradient,
  weightLength,
} from '../helpers/plain-convolution.js';
import { walk } from '../helpers/program.js';

/** Below and above one block of 256 rows, widths below and above one group of 64 channels, with gaps. */
const CASES: readonly Case[] = [
  { kind: 'same3', batch: 2, size: [5, 7], inputs: 8, outputs: 16, gaps: [8, 24] },
  { kind: 'same3', batch: 3, size: [9, 11], inputs: 72, outputs: 8 },
  { kind: 'same1', batch: 7, size: [1, 1], inputs: 32, outputs: 40 },
  { kind: 'same1', batch: 2, size: [17, 19], inputs: 136, outputs: 8, gaps: [0, 8] },
  { kind: 'strided4', batch: 2, size: [24, 26], inputs: 16, outputs: 8, gaps: [8, 8] },
  { kind: 'strided4', batch: 2, size: [7, 9], inputs: 8, outputs: 8 },
  { kind: 'transposed4', batch: 2, size: [12, 13], inputs: 16, outputs: 16, gaps: [8, 16] },
  { kind: 'transposed4', batch: 1, size: [3, 3], inputs: 8, outputs: 24 },
];

for (const c of CASES)
  eachSplit(
    `convWeightGradient: ${c.kind} ${c.batch}x${c.size.join('x')} ${c.inputs} to ${c.outputs}`,
    (t, bench) => {
      const { x, y: dy, convolution, scratch, placeShape } = place(bench, c);
      // What was there before must not matter.
      const dw = bench.put(new Float32Array(weightLength(c)).fill(Number.NaN));
      walk(bench, [[weightGradientCall(convolution, dw, placeShape, scratch)]]);
      const got = bench.f32(dw, weightLength(c));
      // As for conv: a sum over the rows of products below 1.
      close(t, got, weightGradient(c, x, dy), { atol: 2 ** -24 * (rows(c) + 2), what: 'dw' });
      return [got];
    },
  );
