import { compile, createMemory, instantiate, type Kernels } from '../src/engine/module.js';
import type { Phase } from '../src/engine/program.js';
import {
  ALGORITHMS,
  type Convolution,
  type ConvolutionKind,
  planForward,
  planWeightGradient,
  type WinogradAlgorithm,
  WORKER_BYTES,
} from '../src/engine/winograd.js';
import { convolve, length, weightGradient, weightLength } from '../test/helpers/convolution.js';

/*
 * The convolutions of the reference U-Net at 64 x 64, one thread: milliseconds, GFLOP/s of the direct sum, and the share
 * of the micro-kernel's own measured speed that the products alone would need. Every result is checked first.
 *
 *   node dist/bench/convolutions.js [strict|relaxed] [batch] [part of a layer's name]
 */

const build = process.argv[2] === 'strict' ? 'strict' : 'relaxed';
const batch = Number(process.argv[3] ?? 8);
const only = process.argv[4] ?? '';

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
const kernels: Kernels = instantiate(compile(build), memory);
const floats = new Float32Array(memory.buffer);
let top = 4096;

function alloc(bytes: number): number {
  const at = top;
  top = (at + bytes + 127) & ~63;
  if (top > memory.buffer.byteLength) throw new Error('out of memory');
  return at;
}

function put(data: Float32Array): number {
  const at = alloc(data.byteLength);
  floats.set(data, at / 4);
  return at;
}

function putDescriptor(data: Int32Array): number {
  const at = alloc(data.byteLength);
  new Int32Array(memory.buffer).set(data, at / 4);
  return at;
}

function run(program: readonly Phase[]): void {
  for (const phase of program)
    for (const { kernel, args, items } of phase) kernels[kernel]!(...(args as number[]), 0, items);
}

/**
 * Milliseconds of processor time: the least of a few runs, after one to warm up. Not those of the clock, since one thread
 * on a machine that others use waits for its turn.
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

/** GFLOP/s of the products on data that stays in the first-level cache. */
function peak(): number {
  const [k, quads, repeat] = [64, 16, 256];
  const [m, v, u] = [alloc(4 << 16), alloc(4 << 16), alloc(4 << 16)];
  const call = { kernel: 'winogradMultiply', args: [m, v, u, k, repeat, quads, 0, 0, 0], items: 1 };
  const program = Array.from({ length: repeat }, () => [call]);
  return (2 * k * 4 * quads * 8 * repeat) / 1e6 / time(program);
}

/** A few elements against the plain sum; the rest has the tests. */
function check(got: Float32Array, expected: Float64Array, what: string): void {
  const rms = Math.sqrt(expected.reduce((s, v) => s + v * v, 0) / expected.length);
  const worst = expected.reduce((w, v, i) => Math.max(w, Math.abs(v - got[i]!)), 0);
  if (!(worst <= 3e-4 * rms)) throw new Error(`${what}: wrong by ${worst / rms} of the rms`);
}

const checkable = (c: Convolution): boolean =>
  c.batch * c.output.height * c.output.width * c.input.channels * c.output.channels <= 2 ** 24;

const speed = peak();
console.log(
  `${build}, batch ${batch}, Node ${process.version}; micro-kernel ${speed.toFixed(1)} GFLOP/s`,
);
console.log(
  'layer          algorithm     weights   forward  GFLOP/s  peak   gradient  GFLOP/s  peak',
);
for (const [name, kind, inputs, outputs, size] of LAYERS.filter(([n]) => n.includes(only))) {
  const outSize = kind === 'conv' ? size : kind === 'down' ? size / 2 : size * 2;
  const base = top;
  for (const algorithm of Object.keys(ALGORITHMS) as WinogradAlgorithm[]) {
    if (!ALGORITHMS[algorithm].kinds.includes(kind)) continue;
    top = base;
    const c: Convolution = {
      ...{ kind, algorithm, batch },
      input: { height: size, width: size, channels: inputs, pixel: inputs },
      output: { height: outSize, width: outSize, channels: outputs, pixel: outputs },
    };
    const data = { x: values(length(c.input, batch), 1), w: values(weightLength(c), 2) };
    const dyData = values(length(c.output, batch), 3);
    const [x, w, dy] = [put(data.x), put(data.w), put(dyData)];
    const [y, dw, worker] = [
      alloc(dyData.byteLength),
      alloc(data.w.byteLength),
      alloc(WORKER_BYTES),
    ];
    const plan = planForward(c);
    const gradientPlan = planWeightGradient(c);
    const descriptor = putDescriptor(plan.descriptor);
    const gradientDescriptor = putDescriptor(gradientPlan.descriptor);
    const scratch = alloc(Math.max(plan.scratchBytes, gradientPlan.scratchBytes));
    const u = alloc(Math.max(plan.weightBytes, gradientPlan.weightBytes));
    const weights = [plan.weights({ descriptor, worker, w, u })];
    const forward = plan.forward({ descriptor, scratch, worker, x, u, y });
    const gradient = gradientPlan.weightGradient({
      ...{ descriptor: gradientDescriptor, scratch, worker, x, dy, du: u, dw },
    });
    const weightsMs = time(weights);
    run(forward);
    if (checkable(c)) {
      const sums = new Float64Array(dyData.length);
      convolve(c, data.x, data.w, sums);
      check(floats.slice(y / 4, y / 4 + sums.length), sums, `${name} ${algorithm} forward`);
      run(gradient);
      const sum = weightGradient(c, data.x, dyData);
      check(floats.slice(dw / 4, dw / 4 + sum.length), sum, `${name} ${algorithm} gradient`);
      run(weights);
    }
    const forwardMs = time(forward);
    const gradientMs = time(gradient);
    const pixels = batch * (kind === 'up' ? size * size : outSize * outSize);
    const gflop = (2 * pixels * weightLength(c)) / 1e9;
    const rate = (ms: number) => {
      const direct = (1000 * gflop) / ms;
      const share = direct / ALGORITHMS[algorithm].saving / speed;
      return `${direct.toFixed(0).padStart(7)}  ${(100 * share).toFixed(0).padStart(4)}%`;
    };
    console.log(
      `${name.padEnd(14)} ${algorithm.padEnd(10)} ${weightsMs.toFixed(2).padStart(10)} ` +
        `${forwardMs.toFixed(2).padStart(9)}  ${rate(forwardMs)} ` +
        `${gradientMs.toFixed(2).padStart(10)}  ${rate(gradientMs)}`,
    );
  }
  top = base;
}
