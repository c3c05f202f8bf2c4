import { NULL, type Pointer, plusFloats } from '../../src/engine/pointer.js';
import { tuple } from '../../src/engine/program.js';
import { bits, close, eachBuild, eachSplit, values } from '../helpers/kernels.js';

/** Rows that are no multiple of 4, gaps between them, few and many channels. */
const CASES = [
  { rows: 1, inputs: 8, outputs: 8, gaps: [0, 0] },
  { rows: 2, inputs: 16, outputs: 24, gaps: [8, 0] },
  { rows: 7, inputs: 32, outputs: 40, gaps: [0, 16] },
  { rows: 64, inputs: 72, outputs: 8, gaps: [8, 8] },
  { rows: 301, inputs: 520, outputs: 16, gaps: [0, 0] },
] as const;
type Case = (typeof CASES)[number];

const ACCUMULATE = 1;
const RELU = 2;

/** Place of a weight in the panels w[outputs/8][inputs][8]. */
const weightAt = ({ inputs }: Case, ci: number, co: number): number =>
  ((co >> 3) * inputs + ci) * 8 + (co & 7);

/** x · w in f64, row by row. */
function product(c: Case, x: Float32Array, w: Float32Array): Float64Array {
  const y = new Float64Array(c.rows * c.outputs);
  for (let r = 0; r < c.rows; r++)
    for (let co = 0; co < c.outputs; co++)
      for (let ci = 0; ci < c.inputs; ci++)
        y[r * c.outputs + co]! += x[r * (c.inputs + c.gaps[0]) + ci]! * w[weightAt(c, ci, co)]!;
  return y;
}

/** The rows without the gaps between them. */
function dense(y: Float32Array, rows: number, width: number, stride: number): Float32Array {
  return Float32Array.from(
    { length: rows * width },
    (_, i) => y[Math.floor(i / width) * stride + (i % width)]!,
  );
}

for (const c of CASES) {
  const { rows, inputs, outputs } = c;
  const [xStride, yStride] = [inputs + c.gaps[0], outputs + c.gaps[1]];
  const panels = outputs / 8;

  eachSplit(`dense: ${rows} rows of ${inputs} to ${outputs}`, (t, bench) => {
    const [x, w] = [values(rows * xStride, 1), values(inputs * outputs, 2)];
    const bias = values(outputs, 3);
    const y = bench.put(new Float32Array(rows * yStride).fill(42));
    const at = { x: bench.put(x, 4), w: bench.put(w), bias: bench.put(bias) };
    const run = (bias: Pointer, flags: number) => {
      const args = tuple(y, yStride, at.x, xStride, at.w, bias, rows, inputs, panels, flags);
      bench.run('dense', args, Math.ceil(rows / 4) * panels);
      return bench.f32(y, rows * yStride);
    };
    // All factors are below 1: as for any sum in f32 of so many products.
    const atol = 2 ** -24 * (inputs + 2);
    const plain = product(c, x, w);
    const bare = run(NULL, 0);
    close(t, dense(bare, rows, outputs, yStride), plain, { atol, what: 'x·w' });
    const rectified = run(at.bias, RELU);
    const positive = plain.map((v, i) => Math.max(0, v + bias[i % outputs]!));
    close(t, dense(rectified, rows, outputs, yStride), positive, { atol, what: 'relu' });
    const added = run(NULL, ACCUMULATE);
    const sums = positive.map((v, i) => v + plain[i]!);
    close(t, dense(added, rows, outputs, yStride), sums, { atol: 2 * atol, what: 'y + x·w' });
    for (let i = 0; i < added.length; i++) if (i % yStride >= outputs) t.is(added[i], 42, 'a gap');
    return [bare, rectified, added];
  });

  eachSplit(`denseWeights: ${rows} rows of ${inputs} and ${outputs}`, (t, bench) => {
    const [x, dy] = [values(rows * xStride, 1), values(rows * yStride, 2)];
    // What was there before must not matter.
    const dw = bench.put(new Float32Array(inputs * outputs).fill(Number.NaN));
    const args = tuple(dw, bench.put(x), xStride, bench.put(dy), yStride, rows, inputs, panels);
    bench.run('denseWeights', args, (inputs / 4) * panels);
    const expected = new Float64Array(inputs * outputs);
    for (let r = 0; r < rows; r++)
      for (let ci = 0; ci < inputs; ci++)
        for (let co = 0; co < outputs; co++)
          expected[weightAt(c, ci, co)]! += x[r * xStride + ci]! * dy[r * yStride + co]!;
    const got = bench.f32(dw, inputs * outputs);
    close(t, got, expected, { atol: 2 ** -24 * (rows + 2), what: 'dw' });
    return [got];
  });
}

eachBuild('dense: a row has the same bits alone and among others', (t, bench) => {
  const [rows, inputs, outputs] = [7, 40, 16];
  const [x, w] = [bench.put(values(rows * inputs, 1)), bench.put(values(inputs * outputs, 2))];
  const y = bench.alloc(4 * rows * outputs);
  const run = (from: number, count: number) => {
    const args = tuple(
      y,
      outputs,
      plusFloats(x, from * inputs),
      inputs,
      w,
      NULL,
      count,
      inputs,
      outputs / 8,
      0,
    );
    bench.run('dense', args, Math.ceil(count / 4) * (outputs / 8));
    return bench.f32(y, count * outputs);
  };
  const together = run(0, rows);
  for (let row = 0; row < rows; row++)
    t.deepEqual(bits(run(row, 1)), bits(together.slice(row * outputs, (row + 1) * outputs)));
});
