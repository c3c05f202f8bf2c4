import test from 'ava';
import type { Build } from '../../src/engine/module.js';
import {
  ALGORITHMS,
  type Feature,
  type TiledConvolution,
  type WinogradAlgorithm,
} from '../../src/engine/winograd/algorithms.js';
import { goesTogether, planBackward } from '../../src/engine/winograd/backward.js';
import { mostGroups } from '../../src/engine/winograd/weight-gradient.js';
import {
  convolve,
  length,
  relativeError,
  weightGradient,
  weightLength,
} from '../helpers/convolution.js';
import { Bench, values } from '../helpers/kernels.js';
import { walk } from '../helpers/program.js';

/* Tolerances: those of the data gradient as a convolution (ALGORITHMS), and of the weight gradient by itself. */
const WEIGHTS_TOLERANCE = 3e-5;

interface Case {
  batch: number;
  height: number;
  width: number;
  inputs: number;
  outputs: number;
  /** Floats beyond the channels of a pixel, in x and dx, and in dy. */
  gaps?: [number, number];
  affine?: boolean;
  accumulate?: boolean;
}

const CASES: Case[] = [
  { batch: 1, height: 4, width: 4, inputs: 8, outputs: 8 },
  { batch: 2, height: 8, width: 8, inputs: 40, outputs: 24 },
  { batch: 3, height: 5, width: 7, inputs: 16, outputs: 16, gaps: [8, 16] },
  { batch: 1, height: 1, width: 3, inputs: 8, outputs: 40, accumulate: true },
  { batch: 2, height: 6, width: 9, inputs: 24, outputs: 8, affine: true },
  { batch: 3, height: 31, width: 33, inputs: 8, outputs: 16, affine: true, accumulate: true },
  { batch: 5, height: 32, width: 32, inputs: 16, outputs: 8 },
  // As many tiles as give 32 groups.
  { batch: 1, height: 256, width: 256, inputs: 8, outputs: 8 },
];

interface Data {
  x: Float32Array;
  dy: Float32Array;
  dx: Float32Array;
  /** Of the adjoint. */
  w: Float32Array;
  scale: Float32Array;
  shift: Float32Array;
}

function convolution(o: Case, algorithm: WinogradAlgorithm): TiledConvolution {
  const { batch, height, width } = o;
  const feature = (channels: number, gap = 0): Feature => ({
    ...{ height, width, channels, pixel: channels + gap },
  });
  const [input, output] = [feature(o.inputs, o.gaps?.[0]), feature(o.outputs, o.gaps?.[1])];
  return { kind: 'conv', algorithm, batch, input, output };
}

const data = (c: TiledConvolution): Data => ({
  x: values(length(c.input, c.batch), 1),
  dy: values(length(c.output, c.batch), 2),
  dx: values(length(c.input, c.batch), 3),
  w: values(weightLength(c), 4),
  scale: values(c.input.channels, 5),
  shift: values(c.batch * c.input.channels, 6),
});

interface Gradients<T> {
  dx: T;
  dw: T;
}

function run(
  c: TiledConvolution,
  o: Case,
  d: Data,
  { build, shares, wide }: { build: Build; shares: number; wide?: boolean },
): Gradients<Float32Array> {
  const bench = new Bench(build, shares, { wide });
  const plan = planBackward(c);
  const dw = bench.put(values(weightLength(c), 9));
  const dx = bench.put(d.dx);
  const worker = {
    base: bench.alloc(shares * plan.workerBytes),
    perWorker: plan.workerBytes,
    workers: shares,
  };
  const u = bench.alloc(plan.weightBytes);
  const affine = {
    ...{ scale: bench.put(d.scale), shift: bench.put(d.shift) },
    shiftStep: c.input.channels,
  };
  walk(
    bench,
    plan.phases({
      descriptor: bench.put(plan.descriptor),
      ...{ worker, u, dw, dx, accumulate: o.accumulate ?? false, ...(o.affine && { affine }) },
      ...{ x: bench.put(d.x), dy: bench.put(d.dy), w: bench.put(d.w) },
    }),
  );
  for (const end of [worker.base + shares * plan.workerBytes, u + plan.weightBytes])
    if (bench.u8(end, 64).some((byte) => byte !== 0)) throw new Error('wrote past its scratch');
  return { dx: bench.f32(dx, d.dx.length), dw: bench.f32(dw, weightLength(c)) };
}

/** The same in f64 by the definitions. */
function expected(c: TiledConvolution, o: Case, d: Data): Gradients<Float64Array> {
  const { channels, pixel, height, width } = c.input;
  const x = Float64Array.from(d.x, (value, i) => {
    const channel = i % pixel;
    if (!o.affine || channel >= channels) return value;
    const image = Math.floor(i / (pixel * height * width));
    return value * d.scale[channel]! + d.shift[image * channels + channel]!;
  });
  const sums = new Float64Array(d.dx.length);
  convolve({ ...c, input: c.output, output: c.input }, d.dy, d.w, sums);
  const dx = sums.map((sum, i) => {
    if (i % pixel >= channels) return d.dx[i]!;
    return sum + (o.accumulate ? d.dx[i]! : 0);
  });
  return { dx, dw: weightGradient(c, x, d.dy) };
}

const describe = (o: Case): string =>
  `${o.batch} x ${o.height} x ${o.width}, ${o.inputs} to ${o.outputs} channels` +
  `${o.gaps ? ', with gaps' : ''}${o.affine ? ', affine' : ''}${o.accumulate ? ', added' : ''}`;

for (const build of ['strict', 'relaxed'] as const)
  for (const name of ['F(4,3)', 'F(2,3)'] as const)
    for (const o of CASES)
      test(`${name} computes both gradients at once, like the plain sums: ${describe(o)} (${build})`, (t) => {
        const c = convolution(o, name);
        const d = data(c);
        const got = run(c, o, d, { build, shares: 1 });
        const plain = expected(c, o, d);
        const error = relativeError(got.dx, plain.dx);
        t.true(error <= ALGORITHMS[name].error, `dx: error ${error}`);
        const weightError = relativeError(got.dw, plain.dw);
        t.true(weightError <= WEIGHTS_TOLERANCE, `dw: error ${weightError}`);
        t.deepEqual(run(c, o, d, { build, shares: 3 }), got, '3 shares: the bits of one');
        const wide = run(c, o, d, { build, shares: 1, wide: true });
        t.deepEqual(wide, got, 'blocks for vectors of 256 bits: the same bits');
      });

test('Layers with many tiles and few weights compute both gradients at once; others do not', (t) => {
  const of = (side: number, inputs: number, outputs: number) =>
    goesTogether(convolution({ batch: 32, height: side, width: side, inputs, outputs }, 'F(4,3)'));
  t.true(of(32, 16, 32));
  t.true(of(32, 32, 32));
  t.false(of(32, 64, 64), 'many weights');
  t.false(of(4, 32, 32), 'few tiles');
});

test('Layers with many tiles have more groups, for more workers', (t) => {
  const of = (side: number, channels: number) => {
    const size = { height: side, width: side, inputs: channels, outputs: channels };
    return mostGroups(convolution({ batch: 1, ...size }, 'F(4,3)'));
  };
  t.deepEqual([of(252, 8), of(256, 8), of(512, 8), of(124, 40), of(256, 40)], [16, 32, 32, 8, 16]);
});
