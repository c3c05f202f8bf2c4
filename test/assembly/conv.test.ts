import { convCall } from '../../src/engine/convolution.js';
import { bits, close, eachBuild, eachSplit, values } from '../helpers/kernels.js';
import {
  type Case,
  convolution,
  convolve,
  depth,
  length,
  place,
} from '../helpers/plain-convolution.js';
import { walk } from '../helpers/program.js';

/*
 * Tolerance: all factors are below 1, so Σ|x·w| is at most the number of products n, and the rounding of a sum in
 * f32 stays far within n · 2⁻²⁴ · Σ|x·w| / n = n · 2⁻²⁴ for signs that vary.
 */
const tolerance = (c: Case) => 2 ** -24 * (depth(c) + 2);

/** Odd sizes, gaps on either side, more than one block of 64 rows, depths beyond a block of 512. */
const CASES: readonly Case[] = [
  { kind: 'same3', batch: 2, size: [5, 7], inputs: 8, outputs: 16, gaps: [8, 24] },
  { kind: 'same3', batch: 3, size: [9, 11], inputs: 72, outputs: 24, gaps: [0, 8] },
  { kind: 'same3', batch: 1, size: [1, 1], inputs: 16, outputs: 8 },
  { kind: 'same1', batch: 5, size: [1, 1], inputs: 32, outputs: 40 },
  { kind: 'same1', batch: 2, size: [7, 13], inputs: 520, outputs: 8, gaps: [16, 0] },
  { kind: 'strided4', batch: 3, size: [8, 12], inputs: 40, outputs: 16, gaps: [8, 8] },
  { kind: 'strided4', batch: 2, size: [7, 9], inputs: 8, outputs: 8 },
  { kind: 'transposed4', batch: 2, size: [3, 5], inputs: 136, outputs: 16, gaps: [8, 16] },
  { kind: 'transposed4', batch: 3, size: [5, 5], inputs: 8, outputs: 24 },
];

const name = (c: Case) => `${c.kind} ${c.batch}x${c.size.join('x')} ${c.inputs} to ${c.outputs}`;

for (const c of CASES)
  eachSplit(`conv: ${name(c)}`, (t, bench) => {
    const { x, w, y, convolution: shape, weights, scratch, placeShape } = place(bench, c, 42);
    const got = () => bench.f32(shape.output.at, y.length);
    const inside = (i: number) => i % shape.output.stride < c.outputs;

    walk(bench, [[convCall(shape, weights, 0, placeShape, scratch)]]);
    const plain = convolve(
      c,
      x,
      w,
      y.map((v, i) => (inside(i) ? 0 : v)),
    );
    const bare = got();
    close(t, bare, plain, { atol: tolerance(c), what: 'conv(x)' });

    const bias = values(c.outputs, 4);
    const withBias = plain.map((v, i) => (inside(i) ? v + bias[i % shape.output.stride]! : v));
    const at = bench.put(bias, 4);
    walk(bench, [[convCall({ ...shape, relu: true }, weights, at, placeShape, scratch)]]);
    const rectified = got();
    const positive = withBias.map((v, i) => (inside(i) ? Math.max(v, 0) : v));
    close(t, rectified, positive, { atol: tolerance(c), what: 'relu(conv(x) + bias)' });

    walk(bench, [[convCall({ ...shape, accumulate: true }, weights, 0, placeShape, scratch)]]);
    const sum = positive.map((v, i) => (inside(i) ? v + plain[i]! : v));
    const accumulated = got();
    close(t, accumulated, sum, { atol: 2 * tolerance(c), what: 'y + conv(x)' });
    return [bare, rectified, accumulated];
  });

eachBuild('conv: an image has the same bits alone as in a batch', (t, bench) => {
  for (const { kind, size } of CASES) {
    const c: Case = { kind, size, batch: 3, inputs: 64, outputs: 32 };
    bench.reset();
    const { convolution: batch, y, weights, scratch, placeShape } = place(bench, c, 0);
    walk(bench, [[convCall(batch, weights, 0, placeShape, scratch)]]);
    const each = length(batch.output, 1);
    const together = bench.f32(batch.output.at, y.length).subarray(2 * each);
    const third = batch.input.at + 2 * 4 * length(batch.input, 1);
    const alone = convolution({ ...c, batch: 1 }, third, bench.alloc(4 * each));
    walk(bench, [[convCall(alone, weights, 0, placeShape, scratch)]]);
    t.deepEqual(bits(bench.f32(alone.output.at, each)), bits(together), kind);
  }
});
