import { compile } from '../src/engine/host/kernels.js';
import { createMemory, instantiate } from '../src/engine/module.js';
import { microKernelPeak } from '../src/engine/peak.js';
import { type Pointer, pointer } from '../src/engine/pointer.js';
import type { Phase } from '../src/engine/program.js';
import {
  ALGORITHMS,
  type ConvolutionKind,
  type TiledConvolution,
  type WinogradAlgorithm,
} from '../src/engine/winograd/algorithms.js';
import { planForward, type Way } from '../src/engine/winograd/forward.js';
import { type GradientWay, planWeightGradient } from '../src/engine/winograd/weight-gradient.js';
import { convolve, length, weightGradient, weightLength } from '../test/helpers/convolution.js';

/*
 * Times the convolutions of the reference U-Net at 64 x 64 on one thread: milliseconds, GFLOP/s of direct convolution, and the share
 * of the micro-kernel's own measured speed that the products alone would need. Every result is checked first.
 *
 *   node dist/bench/convolutions.js [strict|relaxed] [batch] [part of a layer's name] [wide]
 */

const build = process.argv[2] === 'strict' ? 'strict' : 'relaxed';
const batch = Number(process.argv[3] ?? 8);
const only = process.argv[4] ?? '';
const wide = process.argv[5] === 'wide';

const LAYERS: [
  name: string,
  kind: ConvolutionKind,
  inputs: number,
  outputs: number,
  size: number,
][] = [
  ['64-128@64', 'conv', 64, 128, 64],
  ['128-128@64', 'conv', 128, 128, 64],
  ['256-256@32', 'conv', 256, 256, 32],
  ['512-512@16', 'conv', 512, 512, 16],
  ['1024-1024@8', 'conv', 1024, 1024, 8],
  ['2048-512@4', 'conv', 2048, 512, 4],
  ['1024-256@8', 'conv', 1024, 256, 8],
  ['512-128@16', 'conv', 512, 128, 16],
  ['256-64@32', 'conv', 256, 64, 32],
  ['128 down@64', 'down', 128, 128, 64],
  ['256 down@32', 'down', 256, 256, 32],
  ['512 down@16', 'down', 512, 512, 16],
  ['1024 down@8', 'down', 1024, 1024, 8],
  ['512 up@4', 'up', 512, 512, 4],
  ['256 up@8', 'up', 256, 256, 8],
  ['128 up@16', 'up', 128, 128, 16],
  ['64 up@32', 'up', 64, 64, 32],
  ['32-32@32', 'conv', 32, 32, 32],
];

/** Repeatable values in [-1, 1). */
function values(length: number, seed: number): Float32Array {
  let state = Math.imul(seed, 0x9e3779b1);
  return Float32Array.from({ length }, () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b1;
    return (state >> 8) / 2 ** 23;
  });
}

const memory = createMemory(2 ** 31);
const kernels = instantiate(compile(build, wide), memory, wide);
const floats = new Float32Array(memory.buffer);
let top = 4096;

function alloc(bytes: number): Pointer {
  const at = pointer(top);
  top = (at + bytes + 127) & ~63;
  if (top > memory.buffer.byteLength) throw new Error('out of memory');
  return at;
}

function put(data: Float32Array): Pointer {
  const at = alloc(data.byteLength);
  floats.set(data, at / 4);
  return at;
}

function putDescriptor(data: Int32Array): Pointer {
  const at = alloc(data.byteLength);
  new Int32Array(memory.buffer).set(data, at / 4);
  return at;
}

function run(program: readonly Phase[]): void {
  for (const phase of program)
    for (const { kernel, args, items } of phase) {
      const run = kernels[kernel] as (...args: readonly unknown[]) => void;
      run(...args, 0, items);
    }
}

/**
 * Milliseconds of processor time: the minimum of a few runs, after one to warm up. Not wall-clock time, since a thread
 * on a shared machine waits for its turn.
 */
function time(program: readonly Phase[]): number {
  run(program);
  const times: number[] = [];
  const enough = performance.now() + 300;
  while (times.length < 4 || (performance.now() < enough && times.length < 50)) {
    const start = process.cpuUsage();
    run(program);
    const { user, system } = process.cpuUsage(start);
    times.push((user + system) / 1000);
  }
  return Math.min(...times);
}

/** Checks a few elements against the plain sum; the tests check the rest. */
function check(got: Float32Array, expected: Float64Array, what: string): void {
  const rms = Math.sqrt(expected.reduce((s, v) => s + v * v, 0) / expected.length);
  const worst = expected.reduce((w, v, i) => Math.max(w, Math.abs(v - got[i]!)), 0);
  if (!(worst <= 3e-4 * rms)) throw new Error(`${what}: wrong by ${worst / rms} of the rms`);
}

const checkable = (c: TiledConvolution): boolean =>
  c.batch * c.output.height * c.output.width * c.input.channels * c.output.channels <= 2 ** 24;

/** The programs of a layer for every way, over separate tensors, and their results for checking. */
function programs(c: TiledConvolution, x: Float32Array, w: Float32Array, dy: Float32Array) {
  const at = {
    x: put(x),
    w: put(w),
    dy: put(dy),
    y: alloc(dy.byteLength),
    dw: alloc(w.byteLength),
  };
  const base = top;
  const forward = (way: Way): Phase[] => {
    top = base;
    const plan = planForward(c, way);
    return plan.forward({
      descriptor: putDescriptor(plan.descriptor),
      scratch: alloc(plan.scratchBytes),
      worker: alloc(plan.workerBytes),
      ...{ x: at.x, w: at.w, u: alloc(plan.weightBytes), y: at.y },
    });
  };
  const gradient = (way: GradientWay): Phase[] => {
    top = base;
    const plan = planWeightGradient(c, way);
    return plan.weightGradient({
      descriptor: putDescriptor(plan.descriptor),
      scratch: alloc(plan.scratchBytes),
      worker: alloc(plan.workerBytes),
      ...{ x: at.x, dy: at.dy, du: alloc(plan.weightBytes), dw: at.dw },
    });
  };
  const y = () => floats.slice(at.y / 4, at.y / 4 + dy.length);
  const dw = () => floats.slice(at.dw / 4, at.dw / 4 + w.length);
  return { forward, gradient, y, dw };
}

const WAYS = ['chunks', 'blocks', 'deep'] as const;
const speed = await microKernelPeak({ threads: 1, strict: build === 'strict', wide });
const pad = (n: number, digits: number, width: number): string => n.toFixed(digits).padStart(width);

/** One row of the table. */
function row(name: string, c: TiledConvolution): string {
  const x = values(length(c.input, batch), 1);
  const w = values(weightLength(c), 2);
  const dy = values(length(c.output, batch), 3);
  const p = programs(c, x, w, dy);
  const pixels = batch * Math.min(c.input.height, c.output.height) ** 2;
  const gflop = (2 * pixels * weightLength(c)) / 1e9;
  const rate = (ms: number) => {
    const direct = (1000 * gflop) / ms;
    const share = direct / ALGORITHMS[c.algorithm].saving / speed;
    return `${pad(ms, 1, 8)}${pad(direct, 0, 5)}${pad(100 * share, 0, 4)}%`;
  };
  const sums = checkable(c) ? new Float64Array(dy.length) : null;
  if (sums) convolve(c, x, w, sums);
  const gradients = checkable(c) ? weightGradient(c, x, dy) : null;
  const forward = WAYS.map((way) => {
    const ms = time(p.forward(way));
    if (sums) check(p.y(), sums, `${name} ${c.algorithm} ${way}`);
    return rate(ms);
  });
  const gradient = WAYS.map((way) => {
    const ms = time(p.gradient(way));
    if (gradients) check(p.dw(), gradients, `${name} ${c.algorithm} gradient by ${way}`);
    return rate(ms);
  });
  return `${name.padEnd(13)}${c.algorithm} ${forward.join('')} |${gradient.join('')}`;
}

console.log(
  `${build}, batch ${batch}, Node ${process.version}; micro-kernel ${speed.toFixed(1)} GFLOP/s\n` +
    'ms, GFLOP/s of direct convolution, and share of the peak: forward by chunks, blocks, deep | weight gradient likewise',
);
for (const [name, kind, inputs, outputs, size] of LAYERS.filter(([n]) => n.includes(only))) {
  const outSize = kind === 'conv' ? size : kind === 'down' ? size / 2 : size * 2;
  const base = top;
  for (const algorithm of Object.keys(ALGORITHMS) as WinogradAlgorithm[]) {
    if (!ALGORITHMS[algorithm].kinds.includes(kind)) continue;
    const input = { height: size, width: size, channels: inputs, pixel: inputs };
    const output = { height: outSize, width: outSize, channels: outputs, pixel: outputs };
    console.log(row(name, { kind, algorithm, batch, input, output }));
    top = base;
  }
}
