import test from 'ava';
import type { Build } from '../../src/engine/module.js';
import { NULL } from '../../src/engine/pointer.js';
import {
  ALGORITHMS,
  type ConvolutionKind,
  type Feature,
  type TiledConvolution,
  type WinogradAlgorithm,
} from '../../src/engine/winograd/algorithms.js';
import { planForward, type Way } from '../../src/engine/winograd/forward.js';
import { convolve, length, relativeError, weightLength } from '../helpers/convolution.js';
import { Bench, values } from '../helpers/kernels.js';
import { walk } from '../helpers/program.js';

/*
 * Tolerance: the bound on the largest error over the root mean square of the output that ALGORITHMS states.
 */

interface Case {
  kind: ConvolutionKind;
  batch: number;
  height: number;
  width: number;
  inputs: number;
  outputs: number;
  /** Floats beyond the channels of a pixel, in x and y. */
  gaps?: [number, number];
  /** Output rows and columns beyond the usual (the data gradient of `down` for an odd size). */
  extra?: number;
  bias?: boolean;
  accumulate?: boolean;
  relu?: boolean;
  /** Each image's shift, or one that all images share. */
  affine?: boolean | 'shared';
}

function convolution(c: Case, algorithm: WinogradAlgorithm): TiledConvolution {
  const resize = (n: number) =>
    c.kind === 'conv' ? n : c.kind === 'down' ? Math.floor(n / 2) : 2 * n + (c.extra ?? 0);
  const input: Feature = {
    ...{ height: c.height, width: c.width },
    ...{ channels: c.inputs, pixel: c.inputs + (c.gaps?.[0] ?? 0) },
  };
  const output: Feature = {
    ...{ height: resize(c.height), width: resize(c.width) },
    ...{ channels: c.outputs, pixel: c.outputs + (c.gaps?.[1] ?? 0) },
  };
  return { kind: c.kind, algorithm, batch: c.batch, input, output };
}

interface Data {
  x: Float32Array;
  w: Float32Array;
  y: Float32Array;
  bias: Float32Array;
  scale: Float32Array;
  shift: Float32Array;
}

function inputs(c: TiledConvolution): Data {
  return {
    x: values(length(c.input, c.batch), 1),
    w: values(weightLength(c), 2),
    y: values(length(c.output, c.batch), 3),
    bias: values(c.output.channels, 4),
    scale: values(c.input.channels, 5),
    shift: values(c.batch * c.input.channels, 6),
  };
}

/** y after the kernels, walked in so many shares. */
function run(
  c: TiledConvolution,
  o: Case,
  d: Data,
  {
    build,
    shares,
    way = 'chunks',
    wide,
    apart = false,
    workers,
  }: {
    build: Build;
    shares: number;
    way?: Way;
    wide?: boolean;
    apart?: boolean;
    workers?: number;
  },
): Float32Array {
  const bench = new Bench(build, shares, { wide });
  const plan = planForward(c, way, workers);
  const worker = {
    base: bench.alloc(shares * plan.workerBytes),
    perWorker: plan.workerBytes,
    workers: shares,
  };
  const descriptor = bench.put(plan.descriptor);
  const w = bench.put(d.w);
  const u = bench.alloc(plan.weightBytes);
  // Where what is added to lies elsewhere, in pixels of another length, what is in y must not matter.
  const y = bench.put(apart ? d.y.map((v, i) => (inGap(c, i) ? v : Number.NaN)) : d.y);
  const base = apart
    ? { base: { at: bench.put(widened(c, d.y)), stride: c.output.pixel + 8 } }
    : {};
  const scratch = bench.alloc(plan.scratchBytes);
  walk(
    bench,
    plan.forward({
      ...{ descriptor, worker, scratch, w, u, y, x: bench.put(d.x) },
      ...(o.affine && { affine: affine(bench, c, o, d) }),
      bias: o.bias ? bench.put(d.bias) : NULL,
      ...{ ...base, accumulate: o.accumulate ?? false, relu: o.relu ?? false },
    }),
  );
  const ends = [
    worker.base + shares * plan.workerBytes,
    scratch + plan.scratchBytes,
    u + plan.weightBytes,
  ];
  for (const end of ends)
    if (bench.u8(end, 64).some((byte) => byte !== 0)) throw new Error('wrote past its scratch');
  return bench.f32(y, d.y.length);
}

const inGap = ({ output }: TiledConvolution, i: number): boolean =>
  i % output.pixel >= output.channels;

/** y in pixels of eight floats more. */
function widened(
  { output: { pixel } }: TiledConvolution,
  y: Float32Array,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array((y.length / pixel) * (pixel + 8)).fill(Number.NaN);
  for (let i = 0; i < y.length; i++) out[Math.floor(i / pixel) * (pixel + 8) + (i % pixel)] = y[i]!;
  return out;
}

/** Shifts of each image, or those of the first for all. */
const affine = (bench: Bench, { input }: TiledConvolution, o: Case, { scale, shift }: Data) => ({
  scale: bench.put(scale),
  shift: bench.put(shift),
  shiftStep: o.affine === 'shared' ? 0 : input.channels,
});

/** The same in f64 by the definition. */
function expected(c: TiledConvolution, o: Case, d: Data): Float64Array {
  const sums = new Float64Array(d.y.length);
  const x = Float64Array.from(d.x);
  const { channels, pixel, height, width } = c.input;
  if (o.affine)
    for (let p = 0; p < c.batch * height * width; p++)
      for (let ci = 0; ci < channels; ci++) {
        const image = o.affine === 'shared' ? 0 : Math.floor(p / (height * width));
        x[p * pixel + ci] = x[p * pixel + ci]! * d.scale[ci]! + d.shift[image * channels + ci]!;
      }
  convolve(c, x, d.w, sums);
  return sums.map((sum, i) => {
    const channel = i % c.output.pixel;
    if (channel >= c.output.channels) return d.y[i]!;
    const y = sum + (o.bias ? d.bias[channel]! : 0) + (o.accumulate ? d.y[i]! : 0);
    return o.relu ? Math.max(y, 0) : y;
  });
}

const CASES: Case[] = [
  { kind: 'conv', batch: 1, height: 4, width: 4, inputs: 8, outputs: 8 },
  { kind: 'conv', batch: 2, height: 8, width: 8, inputs: 16, outputs: 24, bias: true },
  { kind: 'conv', batch: 3, height: 5, width: 7, inputs: 40, outputs: 16, relu: true, bias: true },
  { kind: 'conv', batch: 2, height: 1, width: 9, inputs: 24, outputs: 8, gaps: [16, 8] },
  { kind: 'conv', batch: 1, height: 13, width: 2, inputs: 8, outputs: 40, accumulate: true },
  {
    ...{ kind: 'conv', batch: 3, height: 22, width: 27, inputs: 16, outputs: 24, gaps: [0, 16] },
    ...{ accumulate: true, bias: true },
  },
  { kind: 'up', batch: 2, height: 7, width: 10, inputs: 8, outputs: 8, accumulate: true, extra: 1 },
  { kind: 'conv', batch: 2, height: 9, width: 6, inputs: 16, outputs: 8, affine: true, bias: true },
  { kind: 'conv', batch: 3, height: 5, width: 12, inputs: 8, outputs: 8, affine: 'shared' },
  { kind: 'conv', batch: 1, height: 45, width: 46, inputs: 8, outputs: 8, gaps: [8, 24] },
  { kind: 'conv', batch: 2, height: 4, width: 4, inputs: 72, outputs: 256 },
  { kind: 'conv', batch: 1, height: 8, width: 8, inputs: 1024, outputs: 8 },
  { kind: 'down', batch: 1, height: 8, width: 8, inputs: 8, outputs: 8 },
  { kind: 'down', batch: 2, height: 10, width: 6, inputs: 16, outputs: 24, bias: true },
  { kind: 'down', batch: 3, height: 7, width: 5, inputs: 40, outputs: 8, gaps: [8, 16] },
  { kind: 'down', batch: 1, height: 2, width: 2, inputs: 8, outputs: 40, accumulate: true },
  {
    kind: 'down',
    batch: 2,
    height: 9,
    width: 12,
    inputs: 24,
    outputs: 8,
    affine: true,
    relu: true,
  },
  { kind: 'down', batch: 2, height: 66, width: 58, inputs: 8, outputs: 8, bias: true },
  { kind: 'down', batch: 1, height: 4, width: 4, inputs: 136, outputs: 16 },
  { kind: 'up', batch: 2, height: 2, width: 3, inputs: 72, outputs: 128 },
  { kind: 'down', batch: 1, height: 8, width: 8, inputs: 1024, outputs: 8 },
  { kind: 'up', batch: 1, height: 4, width: 4, inputs: 1024, outputs: 8 },
  { kind: 'up', batch: 1, height: 4, width: 4, inputs: 8, outputs: 8 },
  { kind: 'up', batch: 2, height: 5, width: 3, inputs: 16, outputs: 24, bias: true },
  { kind: 'up', batch: 3, height: 1, width: 1, inputs: 40, outputs: 8, gaps: [8, 16] },
  { kind: 'up', batch: 2, height: 6, width: 7, inputs: 24, outputs: 8, affine: true, relu: true },
  { kind: 'up', batch: 1, height: 3, width: 5, inputs: 8, outputs: 16, accumulate: true, extra: 1 },
  { kind: 'up', batch: 2, height: 25, width: 23, inputs: 8, outputs: 8, bias: true },
];

/** The options of a case, for the titles. */
const describe = ({ batch, height, width, inputs: i, outputs: o, ...more }: Case): string =>
  `${more.kind} ${batch} x ${height} x ${width}, ${i} to ${o} channels${Object.entries(more)
    .filter(([key]) => key !== 'kind')
    .map(([key, value]) => (value === true ? `, ${key}` : `, ${key} ${String(value)}`))
    .join('')}`;

for (const build of ['strict', 'relaxed'] as const)
  for (const [name, algorithm] of Object.entries(ALGORITHMS))
    for (const o of CASES.filter((o) => algorithm.kinds.includes(o.kind)))
      test(`${name} matches the plain sums, with the same bits for any shares, blocks and ways: ${describe(o)} (${build})`, (t) => {
        const c = convolution(o, name as WinogradAlgorithm);
        const data = inputs(c);
        const got = run(c, o, data, { build, shares: 1 });
        const error = relativeError(got, expected(c, o, data));
        t.true(error <= algorithm.error, `error ${error}, tolerance ${algorithm.error}`);
        for (const way of ['chunks', 'blocks', 'deep'] as const) {
          for (const shares of [1, 3])
            t.deepEqual(run(c, o, data, { build, shares, way }), got, `${way}, ${shares} shares`);
          const wide = run(c, o, data, { build, shares: 1, way, wide: true });
          t.deepEqual(wide, got, `${way}, blocks for vectors of 256 bits`);
        }
        const many = { build, shares: 3, way: 'blocks', workers: 24 } as const;
        t.deepEqual(run(c, o, data, many), got, 'planned for 24 workers');
        if (o.accumulate)
          for (const shares of [1, 3]) {
            const apart = run(c, o, data, { build, shares, way: 'blocks', apart: true });
            t.deepEqual(apart, got, `added to what lies elsewhere, ${shares} shares`);
          }
      });

for (const build of ['strict', 'relaxed'] as const)
  for (const [name, { kinds }] of Object.entries(ALGORITHMS))
    test(`${name} gives the same bits for an image in any batch (${build})`, (t) => {
      for (const kind of kinds) {
        const o: Case = { kind, batch: 7, height: 11, width: 14, inputs: 8, outputs: 16 };
        const all = convolution(o, name as WinogradAlgorithm);
        const data = inputs(all);
        const together = run(all, o, data, { build, shares: 1 });
        const image = length(all.input, 1);
        const alone = { ...data, x: data.x.slice(3 * image, 4 * image) };
        const one = { ...all, batch: 1 };
        const out = length(all.output, 1);
        alone.y = data.y.slice(0, out);
        t.deepEqual(run(one, o, alone, { build, shares: 1 }), together.slice(3 * out, 4 * out));
      }
    });
