import test from 'ava';
import { denseScratch, type LayerConvolution } from '../../src/engine/convolution.js';
import { planDenseGradient } from '../../src/engine/dense-gradient.js';
import type { Build } from '../../src/engine/module.js';
import { NULL, type Pointer } from '../../src/engine/pointer.js';
import { tuple } from '../../src/engine/program.js';
import { Bench, bits, close, eachSplit, values } from '../helpers/kernels.js';
import { walk } from '../helpers/program.js';

const ACCUMULATE = 1;
const RELU = 2;

/** Rows to less and more than a block, inputs beyond those multiplied at a time, panels beyond those of an item. */
const CASES = [
  { rows: 1, inputs: 8, outputs: 8, gaps: [0, 0] },
  { rows: 5, inputs: 16, outputs: 24, gaps: [8, 0] },
  { rows: 48, inputs: 32, outputs: 32, gaps: [0, 16] },
  { rows: 110, inputs: 72, outputs: 144, gaps: [8, 8] },
  { rows: 301, inputs: 520, outputs: 16, gaps: [0, 0] },
] as const;

for (const { rows, inputs, outputs, gaps } of CASES)
  for (const wide of [false, true])
    for (const build of ['strict', 'relaxed'] as const)
      for (const shares of [1, 3])
        test(`denseBlocks gives the bits of dense: ${rows} rows of ${inputs} to ${outputs} (${build}, ${shares} shares${wide ? ', wide' : ''})`, (t) => {
          const bench = new Bench(build, shares, { wide });
          const panels = outputs / 8;
          const [xStride, yStride] = [inputs + gaps[0], outputs + gaps[1]];
          const x = bench.put(values(rows * xStride, 1), 4);
          const w = bench.put(values(inputs * outputs, 2));
          const biases = bench.put(values(outputs, 3));
          const before = values(rows * yStride, 4);
          const scratch = bench.alloc(4 * 48 * (inputs + 8));
          for (const bias of [NULL, biases])
            for (const flags of [0, ACCUMULATE, RELU, ACCUMULATE | RELU]) {
              const layer = tuple(x, xStride, w, bias, rows, inputs, panels, flags);
              const read = (y: Pointer) => bits(bench.f32(y, before.length));
              const plain = bench.put(before);
              bench.run('dense', [plain, yStride, ...layer], Math.ceil(rows / 4) * panels);
              const expected = read(plain);
              const items = Math.ceil(rows / 48) * Math.ceil(panels / 16);
              t.false(expected.equals(bits(before)));
              const blocks = bench.put(before);
              bench.run('denseBlocks', [blocks, yStride, NULL, 0, ...layer, scratch], items);
              t.deepEqual(read(blocks), expected);
              if (!(flags & ACCUMULATE)) continue;
              // What is added to lies elsewhere, in rows of another length.
              const base = bench.put(spread(before, rows, outputs, yStride, yStride + 8));
              const y = bench.put(spread(before, rows, 0, yStride, yStride));
              bench.run('denseBlocks', [y, yStride, base, yStride + 8, ...layer, scratch], items);
              t.deepEqual(
                rowsOf(read(y), rows, outputs, yStride),
                rowsOf(expected, rows, outputs, yStride),
              );
            }
        });

/** The first `width` floats of rows `from` apart, in rows `to` apart among NaN. */
function spread(x: Float32Array, rows: number, width: number, from: number, to: number) {
  const out = new Float32Array(rows * to).fill(Number.NaN);
  for (let r = 0; r < rows; r++) out.set(x.subarray(r * from, r * from + width), r * to);
  return out;
}

/** The bytes of the rows without the gaps between them. */
const rowsOf = (bytes: Buffer, rows: number, width: number, stride: number): Buffer =>
  Buffer.concat(
    Array.from({ length: rows }, (_, r) =>
      bytes.subarray(4 * r * stride, 4 * (r * stride + width)),
    ),
  );

interface GradientCase {
  readonly batch: number;
  readonly side: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly gaps: readonly [number, number];
  /** The kernels that the plan calls. */
  readonly kernels: readonly string[];
}

const GROUPS = ['denseWeightsBlocks', 'denseWeightsJoin'];

/** Groups that rows do not go into, inputs and outputs beyond an item's, one group alone; and what keeps the other way. */
const GRADIENTS: readonly GradientCase[] = [
  { batch: 1, side: 32, inputs: 8, outputs: 16, gaps: [0, 0], kernels: GROUPS },
  { batch: 3, side: 19, inputs: 24, outputs: 40, gaps: [8, 16], kernels: GROUPS },
  { batch: 1, side: 35, inputs: 136, outputs: 72, gaps: [0, 8], kernels: GROUPS },
  {
    ...{ batch: 1, side: 32, inputs: 520, outputs: 456, gaps: [8, 0] },
    kernels: ['denseWeightsBlocks'],
  },
  { batch: 7, side: 47, inputs: 16, outputs: 16, gaps: [0, 0], kernels: GROUPS },
  { batch: 1, side: 31, inputs: 16, outputs: 16, gaps: [0, 0], kernels: ['denseWeights'] },
  { batch: 2, side: 32, inputs: 16, outputs: 8, gaps: [0, 0], kernels: ['denseWeights'] },
  { batch: 1030, side: 1, inputs: 8, outputs: 16, gaps: [8, 0], kernels: ['denseWeights'] },
];

for (const g of GRADIENTS) {
  const rows = g.batch * g.side ** 2;
  const [xStride, dyStride] = [g.inputs + g.gaps[0], g.outputs + g.gaps[1]];
  const [x, dy] = [values(rows * xStride, 1), values(rows * dyStride, 2)];
  let expected: Float64Array | undefined;

  eachSplit(`A dense weight gradient: ${rows} rows of ${g.inputs} and ${g.outputs}`, (t, bench) => {
    const [got, kernels] = gradient(bench, g, x, dy);
    t.deepEqual(kernels, g.kernels);
    expected ??= sums(g, x, dy);
    // A rounding of each product and each sum of factors below 1; a row more or less is far beyond that.
    close(t, got, expected, { atol: 2 ** -23 * (rows + 2), what: 'dw' });
    return [got];
  });

  for (const build of ['strict', 'relaxed'] satisfies Build[])
    test(`Wide blocks give the same dense weight gradient: ${rows} rows of ${g.inputs} and ${g.outputs} (${build})`, (t) => {
      const [one, other] = [false, true].map((wide) =>
        bits(gradient(new Bench(build, 1, { wide }), g, x, dy)[0]),
      );
      t.deepEqual(other, one);
    });
}

/** dw as its plan has it, and which kernels that calls. */
function gradient(
  bench: Bench,
  { batch, side, inputs, outputs, gaps }: GradientCase,
  x: Float32Array,
  dy: Float32Array,
): [Float32Array, string[]] {
  const view = (at: Pointer, channels: number, gap: number) => ({
    ...{ at, height: side, width: side, channels, stride: channels + gap },
  });
  const c: LayerConvolution = {
    ...{ kind: 'same1', batch },
    input: view(bench.put(x, 4), inputs, gaps[0]),
    output: view(bench.put(dy, 4), outputs, gaps[1]),
  };
  const plan = planDenseGradient(c);
  // What was there before must not matter, nor may it be written beyond.
  const dirty = (floats: number) => bench.put(new Float32Array(floats).fill(Number.NaN));
  const dw = dirty(inputs * outputs);
  const scratch = dirty(plan.scratchBytes / 4);
  const perWorker = plan.workerBytes;
  const worker = { base: dirty((bench.shares * perWorker) / 4), perWorker, workers: bench.shares };
  const guard = bench.put(values(64, 9));
  const phases = plan.phases({ dw, scratch, worker });
  walk(bench, phases);
  if (!bits(bench.f32(guard, 64)).equals(bits(values(64, 9)))) throw new Error('beyond scratch');
  return [bench.f32(dw, inputs * outputs), phases.flat().map(({ kernel }) => kernel)];
}

/** The same in f64. */
function sums(
  { batch, side, inputs, outputs, gaps }: GradientCase,
  x: Float32Array,
  dy: Float32Array,
): Float64Array {
  const dw = new Float64Array(inputs * outputs);
  for (let r = 0; r < batch * side ** 2; r++)
    for (let ci = 0; ci < inputs; ci++) {
      const factor = x[r * (inputs + gaps[0]) + ci]!;
      for (let co = 0; co < outputs; co++)
        dw[((co >> 3) * inputs + ci) * 8 + (co & 7)]! += factor * dy[r * (outputs + gaps[1]) + co]!;
    }
  return dw;
}

test('Scratch for blocks of rows is requested if there are many pixels, or several blocks for each worker', (t) => {
  const bytes = (batch: number, side: number, workers = 16) => {
    const view = { at: NULL, height: side, width: side, channels: 40, stride: 40 };
    return denseScratch({ kind: 'same1', batch, input: view, output: view }, workers);
  };
  const some = 4 * 48 * 48;
  t.is(bytes(4096, 1), 0);
  t.is(bytes(1, 32), some);
  // Of 21 blocks, and of 3.
  t.deepEqual([bytes(1, 31, 5), bytes(1, 31, 6)], [some, 0]);
  t.deepEqual([bytes(1, 12, 1), bytes(1, 11, 1)], [0, 0]);
});
