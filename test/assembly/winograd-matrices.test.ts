import test from 'ava';
import { NULL, plusFloats } from '../../src/engine/pointer.js';
import { tuple } from '../../src/engine/program.js';
import {
  ALGORITHMS,
  type TiledConvolution,
  type WinogradAlgorithm,
} from '../../src/engine/winograd/algorithms.js';
import { planForward } from '../../src/engine/winograd/forward.js';
import { WORKER_BYTES } from '../../src/engine/winograd/geometry.js';
import { planWeightGradient } from '../../src/engine/winograd/weight-gradient.js';
import { Bench } from '../helpers/kernels.js';

/*
 * The matrices of each algorithm in exact arithmetic, and that the straight-line code of the kernels is these matrices.
 */

/** A fraction in whole numbers, so that nothing rounds. */
type Fraction = readonly [numerator: bigint, denominator: bigint];

const times = ([a, b]: Fraction, [c, d]: Fraction): Fraction => [a * c, b * d];
const plus = ([a, b]: Fraction, [c, d]: Fraction): Fraction => [a * d + c * b, b * d];
const same = ([a, b]: Fraction, [c, d]: Fraction): boolean => a * d === c * b;
const toNumber = ([a, b]: Fraction): number => Number(a) / Number(b);

type Matrix = readonly (readonly Fraction[])[];

/** Rows of fractions as one writes them: '1 -1/2 0'. */
const matrix = (...rows: string[]): Matrix =>
  rows.map((row) =>
    row
      .trim()
      .split(/\s+/)
      .map((entry) => {
        const [a, b] = entry.split('/');
        return [BigInt(a!), BigInt(b ?? 1)] as const;
      }),
  );

const transpose = (m: Matrix): Matrix => m[0]!.map((_, j) => m.map((row) => row[j]!));

interface Algorithm {
  readonly inputT: Matrix;
  readonly weight: Matrix;
  readonly outputT: Matrix;
}

const MATRICES: Record<WinogradAlgorithm, Algorithm> = {
  'F(4,3)': {
    inputT: matrix(
      '1 -3/2  -2  3/2  1  0',
      '0 -1   1/2  5/2  1  0',
      '0  1  -5/2  1/2  1  0',
      '0 -2   -1    2   1  0',
      '0 1/2  -1  -1/2  1  0',
      '0  1  -3/2  -2  3/2 1',
    ),
    weight: matrix(
      ...['1 0 0', '1/3 1/3 1/3', '-1/3 1/3 -1/3', '-16/15 -8/15 -4/15', '1/15 -2/15 4/15'],
      '0 0 1',
    ),
    outputT: matrix('1 1 1 1 1 0', '0 1 -1 1/2 -2 0', '0 1 1 1/4 4 0', '0 1 -1 1/8 -8 1'),
  },
  'F(2,3)': {
    inputT: matrix('-1 0 1 0', '0 1 1 0', '0 -1 1 0', '0 -1 0 1'),
    weight: matrix('-1 0 0', '1/2 1/2 1/2', '1/2 -1/2 1/2', '0 0 1'),
    outputT: matrix('1 1 1 0', '0 1 -1 1'),
  },
  'F(4,2)': {
    inputT: matrix('2 -1 -2 1 0', '0 -2 -1 1 0', '0 2 -3 1 0', '0 -1 0 1 0', '0 2 -1 -2 1'),
    weight: matrix('1/2 0', '-1/2 -1/2', '-1/6 1/6', '1/6 1/3', '0 1'),
    outputT: matrix('1 1 1 1 0', '0 1 -1 2 0', '0 1 1 4 0', '0 1 -1 8 1'),
  },
  'F(2,2)': {
    inputT: matrix('-1 1 0', '0 1 0', '0 -1 1'),
    weight: matrix('-1 0', '1 1', '0 1'),
    outputT: matrix('1 1 0', '0 1 1'),
  },
};

const NAMES = Object.keys(MATRICES) as WinogradAlgorithm[];

for (const name of NAMES)
  test(`${name}: Aᵀ[(G g) ⊙ (Bᵀ d)] is the correlation of d with g, exactly`, (t) => {
    const { inputT, weight, outputT } = MATRICES[name];
    // Bilinear in d and g, so it holds for all of them if it does for every pair of unit vectors.
    outputT.forEach((row, i) => {
      for (let k = 0; k < weight[0]!.length; k++)
        for (let l = 0; l < inputT[0]!.length; l++) {
          const sum = row.reduce<Fraction>(
            (s, a, p) => plus(s, times(times(a, weight[p]![k]!), inputT[p]![l]!)),
            [0n, 1n],
          );
          t.true(same(sum, [l === i + k ? 1n : 0n, 1n]), `output ${i}, tap ${k}, input ${l}`);
        }
    });
  });

/** The first convolution an algorithm is for, on 3 x 3 tiles of 8 channels. */
function convolution(name: WinogradAlgorithm): TiledConvolution {
  const { side, kinds } = ALGORITHMS[name];
  const feature = (n: number) => ({ height: n, width: n, channels: 8, pixel: 8 });
  const [kind] = kinds as ['conv' | 'down'];
  const input = feature(3 * side * (kind === 'down' ? 2 : 1));
  return { kind, algorithm: name, batch: 1, input, output: feature(3 * side) };
}

/**
 * Asserts that a kernel takes X to P X Pᵀ, for every X of a single 1. `put` sets an element of X, of a size that P has
 * columns for, and `get` reads one of the result.
 */
function isSandwich(
  t: { true(value: boolean, message: string): unknown },
  p: Matrix,
  run: () => void,
  put: (i: number, j: number, value: number) => void,
  get: (i: number, j: number) => number,
): void {
  for (let i = 0; i < p[0]!.length; i++)
    for (let j = 0; j < p[0]!.length; j++) {
      put(i, j, 1);
      run();
      put(i, j, 0);
      for (let a = 0; a < p.length; a++)
        for (let b = 0; b < p.length; b++) {
          const expected = toNumber(times(p[a]![i]!, p[b]![j]!));
          const got = get(a, b);
          const close = Math.abs(got - expected) <= 3e-7 * Math.abs(expected);
          t.true(close, `(${a}, ${b}) of the unit matrix (${i}, ${j}): ${expected}, got ${got}`);
        }
    }
}

const TILING = { pixel: 4, plane: 10, block: 12, words: 16 };
const TAPS = { row: 7, column: 8, plane: 9 };

for (const build of ['strict', 'relaxed'] as const)
  for (const name of NAMES) {
    const { inputT, weight, outputT } = MATRICES[name];
    const c = convolution(name);
    const { side } = ALGORITHMS[name];
    const forward = planForward(c, 'chunks');
    const gradient = planWeightGradient(c, 'chunks');

    test(`${name}: winogradInput is Bᵀ d B (${build})`, (t) => {
      const bench = new Bench(build, 1);
      const floats = new Float32Array(bench.memory.buffer);
      const { height, width } = c.input;
      const x = bench.put(new Float32Array(height * width * 8));
      const v = bench.alloc(forward.scratchBytes);
      const args = tuple(
        v,
        x,
        bench.put(forward.descriptor),
        NULL,
        NULL,
        0,
        0,
        9,
        bench.alloc(WORKER_BYTES),
      );
      const step = c.kind === 'down' ? 2 : 1;
      const plane = forward.descriptor[TILING.plane]!;
      // The middle tile, the fifth, which lies inside the image: its first pixel is at side·step − 1.
      const at = (i: number) => side * step - 1 + i * step;
      isSandwich(
        t,
        inputT,
        () => bench.run('winogradInput', args, 3),
        (i, j, value) => {
          floats[x / 4 + (at(i) * width + at(j)) * 8] = value;
        },
        (i, j) =>
          floats[v / 4 + (i * inputT.length + j) * plane + forward.descriptor[TILING.block]!]!,
      );
    });

    test(`${name}: winogradOutput is Aᵀ m A (${build})`, (t) => {
      const bench = new Bench(build, 1);
      const floats = new Float32Array(bench.memory.buffer);
      const { height, width } = c.output;
      const y = bench.alloc(4 * height * width * 8);
      const m = bench.alloc(forward.scratchBytes);
      const g = plusFloats(bench.put(forward.descriptor), TILING.words);
      const args = tuple(y, m, g, NULL, 0, 0, 9, bench.alloc(WORKER_BYTES));
      const plane = forward.descriptor[TILING.words + TILING.plane]!;
      isSandwich(
        t,
        outputT,
        () => bench.run('winogradOutput', args, 3),
        (i, j, value) => {
          floats[m / 4 + (i * outputT[0]!.length + j) * plane] = value;
        },
        (i, j) => floats[y / 4 + (i * width + j) * 8]!,
      );
    });

    test(`${name}: winogradGradient is A dy Aᵀ (${build})`, (t) => {
      const bench = new Bench(build, 1);
      const floats = new Float32Array(bench.memory.buffer);
      const { height, width } = c.output;
      const dy = bench.put(new Float32Array(height * width * 8));
      const d = bench.alloc(gradient.scratchBytes);
      const g = plusFloats(bench.put(gradient.descriptor), TILING.words);
      const args = tuple(d, dy, g, NULL, NULL, 0, 0, 9, bench.alloc(WORKER_BYTES));
      const plane = gradient.descriptor[TILING.words + TILING.plane]!;
      isSandwich(
        t,
        transpose(outputT),
        () => bench.run('winogradGradient', args, 3),
        (i, j, value) => {
          floats[dy / 4 + (i * width + j) * 8] = value;
        },
        (i, j) => floats[d / 4 + (i * inputT.length + j) * plane]!,
      );
    });

    test(`${name}: winogradWeights is G g Gᵀ, winogradWeightGradient Gᵀ u G (${build})`, (t) => {
      const bench = new Bench(build, 1);
      const floats = new Float32Array(bench.memory.buffer);
      const w = bench.put(new Float32Array(16 * 64));
      const u = bench.alloc(forward.weightBytes);
      const words = forward.descriptor.slice(2 * TILING.words);
      const g = bench.put(words);
      const scratch = bench.alloc(WORKER_BYTES);
      const tap = (i: number, j: number) =>
        w / 4 + (i * words[TAPS.row]! + j * words[TAPS.column]!) * 64;
      const point = (i: number, j: number) => u / 4 + (i * weight.length + j) * words[TAPS.plane]!;
      isSandwich(
        t,
        weight,
        () => bench.run('winogradWeights', [u, w, g, scratch], 1),
        (i, j, value) => {
          floats[tap(i, j)] = value;
        },
        (i, j) => floats[point(i, j)]!,
      );
      for (let i = 0; i < weight.length; i++)
        for (let j = 0; j < weight.length; j++) floats[point(i, j)] = 0;
      isSandwich(
        t,
        transpose(weight),
        () => bench.run('winogradWeightGradient', [w, u, g, 1, 0, scratch], 1),
        (i, j, value) => {
          floats[point(i, j)] = value;
        },
        (i, j) => floats[tap(i, j)]!,
      );
    });
  }
