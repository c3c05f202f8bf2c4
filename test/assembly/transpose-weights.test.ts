import { adjoint, type ConvKind, TAPS, transposeCall } from '../../src/engine/convolution.js';
import { NULL } from '../../src/engine/pointer.js';
import { contiguous } from '../../src/engine/tensors.js';
import type {
  ConvolutionKind,
  Feature,
  TiledConvolution,
} from '../../src/engine/winograd/algorithms.js';
import { convolve } from '../helpers/convolution.js';
import { bits, eachBuild, eachSplit, values } from '../helpers/kernels.js';
import { walk } from '../helpers/program.js';

const [BATCH, SIDE, INPUTS, OUTPUTS] = [2, 6, 16, 24];
const KINDS: readonly ConvKind[] = ['same3', 'same1', 'strided4', 'transposed4'];

/** A layer of the kind; its tensors are not looked at. */
const layer = (kind: ConvKind) => ({
  ...{ kind, batch: BATCH },
  ...{ input: contiguous(NULL, SIDE, INPUTS), output: contiguous(NULL, SIDE, OUTPUTS) },
});

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

const feature = (side: number, channels: number): Feature => ({
  ...{ height: side, width: side, channels, pixel: channels },
});

/** The plain sums of a convolution, f64. */
function plain(
  kind: ConvolutionKind,
  input: Feature,
  output: Feature,
  x: ArrayLike<number>,
  w: ArrayLike<number>,
): Float64Array {
  const y = new Float64Array(BATCH * output.height ** 2 * output.channels);
  const c: TiledConvolution = { kind, algorithm: 'F(4,3)', batch: BATCH, input, output };
  convolve(c, x, w, y);
  return y;
}

for (const [kind, name, back, side] of [
  ['same3', 'conv', 'conv', SIDE],
  ['strided4', 'down', 'up', SIDE / 2],
  ['transposed4', 'up', 'down', SIDE * 2],
] as const)
  eachSplit(`transposeWeights: ⟨conv(x), z⟩ = ⟨x, adjoint(z)⟩ for ${kind}`, (t, bench) => {
    const [input, output] = [feature(SIDE, INPUTS), feature(side, OUTPUTS)];
    const x = values(BATCH * SIDE ** 2 * INPUTS, 1);
    const z = values(BATCH * side ** 2 * OUTPUTS, 2);
    const w = values(TAPS[kind] * INPUTS * OUTPUTS, 3);
    const out = bench.alloc(w.byteLength);
    walk(bench, [[transposeCall(layer(kind), out, bench.put(w))]]);
    const transposed = bench.f32(out, w.length);
    const forward = dot(plain(name, input, output, x, w), z);
    const backward = dot(x, plain(back, output, input, z, transposed));
    // Both are sums of the same products in f64.
    t.true(Math.abs(forward - backward) <= 1e-9 * x.length, `${forward}, got ${backward}`);
    t.true(Math.abs(forward) > 1);
    return [transposed];
  });

eachSplit('transposeWeights of a 1x1 convolution is the transpose of a matrix', (t, bench) => {
  const w = values(INPUTS * OUTPUTS, 1);
  const out = bench.alloc(w.byteLength);
  walk(bench, [[transposeCall(layer('same1'), out, bench.put(w))]]);
  const transposed = bench.f32(out, w.length);
  const at = (rows: number, row: number, column: number) =>
    ((column >> 3) * rows + row) * 8 + (column & 7);
  for (let ci = 0; ci < INPUTS; ci++)
    for (let co = 0; co < OUTPUTS; co++)
      t.is(transposed[at(OUTPUTS, co, ci)], w[at(INPUTS, ci, co)], `(${ci}, ${co})`);
  return [transposed];
});

eachBuild('transposeWeights twice restores the weights', (t, bench) => {
  for (const kind of KINDS) {
    bench.reset();
    const w = values(TAPS[kind] * INPUTS * OUTPUTS, 1);
    const [once, twice] = [bench.alloc(w.byteLength), bench.alloc(w.byteLength)];
    walk(bench, [
      [transposeCall(layer(kind), once, bench.put(w))],
      [transposeCall(adjoint(layer(kind), false), twice, once)],
    ]);
    t.deepEqual(bits(bench.f32(twice, w.length)), bits(w), kind);
  }
});
