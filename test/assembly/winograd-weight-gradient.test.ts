import test from 'ava';
import type { Build } from '../../src/engine/module.js';
import {
  ALGORITHMS,
  type ConvolutionKind,
  type TiledConvolution,
  type WinogradAlgorithm,
} from '../../src/engine/winograd/algorithms.js';
import { type GradientWay, planWeightGradient } from '../../src/engine/winograd/weight-gradient.js';
import { length, relativeError, weightGradient, weightLength } from '../helpers/convolution.js';
import { Bench, values } from '../helpers/kernels.js';
import { walk } from '../helpers/program.js';

/*
 * Tolerance: a weight gradient is a sum over every pixel of the batch, and F(m, r) adds numbers larger than the result;
 * largest error over root mean square, measured on sums as long as these (up to 3,500 pixels): below 1.5e-5.
 */
const TOLERANCE = 3e-5;

interface Case {
  kind: ConvolutionKind;
  batch: number;
  height: number;
  width: number;
  inputs: number;
  outputs: number;
  /** Floats beyond the channels of a pixel, in x and dy. */
  gaps?: [number, number];
  affine?: boolean;
}

const CASES: Case[] = [
  { kind: 'conv', batch: 1, height: 4, width: 4, inputs: 8, outputs: 8 },
  { kind: 'conv', batch: 2, height: 8, width: 8, inputs: 40, outputs: 24 },
  { kind: 'conv', batch: 3, height: 5, width: 7, inputs: 16, outputs: 16, gaps: [8, 16] },
  { kind: 'conv', batch: 1, height: 1, width: 3, inputs: 8, outputs: 40 },
  { kind: 'conv', batch: 2, height: 6, width: 9, inputs: 24, outputs: 8, affine: true },
  { kind: 'conv', batch: 1, height: 59, width: 59, inputs: 8, outputs: 8 },
  { kind: 'conv', batch: 3, height: 68, width: 30, inputs: 8, outputs: 8 },
  { kind: 'conv', batch: 2, height: 4, width: 4, inputs: 72, outputs: 64 },
  { kind: 'down', batch: 1, height: 8, width: 8, inputs: 8, outputs: 8 },
  { kind: 'down', batch: 2, height: 7, width: 10, inputs: 40, outputs: 16, gaps: [8, 16] },
  { kind: 'down', batch: 1, height: 2, width: 2, inputs: 16, outputs: 40 },
  { kind: 'down', batch: 2, height: 9, width: 12, inputs: 24, outputs: 8, affine: true },
  { kind: 'down', batch: 2, height: 94, width: 92, inputs: 8, outputs: 8 },
  { kind: 'down', batch: 1, height: 4, width: 4, inputs: 136, outputs: 16 },
  { kind: 'up', batch: 2, height: 2, width: 3, inputs: 72, outputs: 40 },
  { kind: 'up', batch: 1, height: 4, width: 4, inputs: 8, outputs: 8 },
  { kind: 'up', batch: 2, height: 3, width: 5, inputs: 40, outputs: 16, gaps: [8, 16] },
  { kind: 'up', batch: 3, height: 1, width: 1, inputs: 16, outputs: 40 },
  { kind: 'up', batch: 2, height: 6, width: 7, inputs: 24, outputs: 8, affine: true },
  { kind: 'up', batch: 2, height: 47, width: 46, inputs: 8, outputs: 8 },
];

function convolution(c: Case, algorithm: WinogradAlgorithm): TiledConvolution {
  const resize = (n: number) =>
    c.kind === 'conv' ? n : c.kind === 'down' ? Math.floor(n / 2) : 2 * n;
  const input = {
    ...{ height: c.height, width: c.width },
    ...{ channels: c.inputs, pixel: c.inputs + (c.gaps?.[0] ?? 0) },
  };
  const output = {
    ...{ height: resize(c.height), width: resize(c.width) },
    ...{ channels: c.outputs, pixel: c.outputs + (c.gaps?.[1] ?? 0) },
  };
  return { kind: c.kind, algorithm, batch: c.batch, input, output };
}

interface Data {
  x: Float32Array;
  dy: Float32Array;
  scale: Float32Array;
  shift: Float32Array;
}

const inputs = (c: TiledConvolution): Data => ({
  x: values(length(c.input, c.batch), 1),
  dy: values(length(c.output, c.batch), 2),
  scale: values(c.input.channels, 5),
  shift: values(c.batch * c.input.channels, 6),
});

function run(
  c: TiledConvolution,
  o: Case,
  d: Data,
  { build, shares, way, wide }: { build: Build; shares: number; way: GradientWay; wide?: boolean },
): Float32Array {
  const bench = new Bench(build, shares, { wide });
  const plan = planWeightGradient(c, way);
  const dw = bench.put(values(weightLength(c), 9));
  const worker = {
    base: bench.alloc(shares * plan.workerBytes),
    perWorker: plan.workerBytes,
    workers: shares,
  };
  const scratch = bench.alloc(plan.scratchBytes);
  const du = bench.alloc(plan.weightBytes);
  const affine = {
    ...{ scale: bench.put(d.scale), shift: bench.put(d.shift) },
    shiftStep: c.input.channels,
  };
  walk(
    bench,
    plan.weightGradient({
      descriptor: bench.put(plan.descriptor),
      ...{ worker, scratch, du },
      ...{ x: bench.put(d.x), dy: bench.put(d.dy), dw, ...(o.affine && { affine }) },
    }),
  );
  const ends = [
    worker.base + shares * plan.workerBytes,
    scratch + plan.scratchBytes,
    du + plan.weightBytes,
  ];
  for (const end of ends)
    if (bench.u8(end, 64).some((byte) => byte !== 0)) throw new Error('wrote past its scratch');
  return bench.f32(dw, weightLength(c));
}

function expected(c: TiledConvolution, o: Case, d: Data): Float64Array {
  const x = Float64Array.from(d.x);
  const { channels, pixel, height, width } = c.input;
  if (o.affine)
    for (let p = 0; p < c.batch * height * width; p++)
      for (let ci = 0; ci < channels; ci++) {
        const image = Math.floor(p / (height * width));
        x[p * pixel + ci] = x[p * pixel + ci]! * d.scale[ci]! + d.shift[image * channels + ci]!;
      }
  return weightGradient(c, x, d.dy);
}

const describe = (o: Case): string =>
  `${o.kind} ${o.batch} x ${o.height} x ${o.width}, ${o.inputs} to ${o.outputs} channels` +
  `${o.gaps ? ', with gaps' : ''}${o.affine ? ', affine' : ''}`;

for (const build of ['strict', 'relaxed'] as const)
  for (const [name, { kinds }] of Object.entries(ALGORITHMS))
    for (const o of CASES.filter((o) => kinds.includes(o.kind)))
      for (const way of ['chunks', 'blocks', 'deep'] as const)
        test(`${name} matches the plain weight gradient by ${way}: ${describe(o)} (${build})`, (t) => {
          const c = convolution(o, name as WinogradAlgorithm);
          const data = inputs(c);
          const got = run(c, o, data, { build, shares: 1, way });
          const error = relativeError(got, expected(c, o, data));
          t.true(error <= TOLERANCE, `error ${error}, tolerance ${TOLERANCE}`);
          t.deepEqual(run(c, o, data, { build, shares: 3, way }), got, '3 shares: the bits of one');
          const wide = run(c, o, data, { build, shares: 1, way, wide: true });
          t.deepEqual(wide, got, 'blocks for vectors of 256 bits: the same bits');
        });
