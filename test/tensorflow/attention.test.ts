import test, { type ExecutionContext } from 'ava';
import { attention, attentionParts } from '../../src/tensorflow/attention.js';
import { EagerMachine } from '../../src/tensorflow/eager.js';
import { GraphMachine } from '../../src/tensorflow/graph.js';
import { loadTensorflow } from '../../src/tensorflow/load.js';
import type { Routine } from '../../src/tensorflow/ops.js';
import { Tape } from '../../src/tensorflow/tape.js';
import { close, values } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const [BATCH, SIDE, HEADS, DIM] = [5, 4, 2, 3];
const PIXELS = SIDE ** 2;
const shape = [BATCH, SIDE, SIDE, HEADS * DIM];
const of = { batch: BATCH, pixels: PIXELS, heads: HEADS, headDim: DIM };

/** → the output, then the gradients of q, k and v. */
const routine = (lengths: readonly number[]): Routine => ({
  inputs: ['q', 'k', 'v', 'dy'].map((name) => ({ name, shape })),
  body: (ops, [q, k, v, dy]) => {
    const tape = new Tape(ops);
    const y = attention(tape, [q!, k!, v!], of, shape, lengths);
    tape.backward(y, dy!);
    return [y, ...[q!, k!, v!].map((value) => tape.gradient(value))];
  },
});

const count = BATCH * PIXELS * HEADS * DIM;
const inputs = [1, 2, 3, 4].map((seed) => values(count, seed).map((v) => 3 * v));

/** The same in f64: for each image, head and pixel. */
function exact(): number[][] {
  const [q, k, v, dy] = inputs as [Float32Array, Float32Array, Float32Array, Float32Array];
  const out = Array.from({ length: 4 }, () => new Array<number>(count).fill(0)) as [
    number[],
    number[],
    number[],
    number[],
  ];
  const [y, dq, dk, dv] = out;
  const channels = Array.from({ length: DIM }, (_, c) => c);
  const pixels = Array.from({ length: PIXELS }, (_, p) => p);
  const dot = (a: ArrayLike<number>, i: number, b: ArrayLike<number>, j: number) =>
    channels.reduce((sum, c) => sum + a[i + c]! * b[j + c]!, 0);
  for (let image = 0; image < BATCH; image++)
    for (let head = 0; head < HEADS; head++) {
      const at = (p: number) => ((image * PIXELS + p) * HEADS + head) * DIM;
      for (const i of pixels) {
        const powers = pixels.map((j) => Math.exp(dot(q, at(i), k, at(j)) / Math.sqrt(DIM)));
        const total = powers.reduce((a, b) => a + b);
        const weights = powers.map((power) => power / total);
        const dWeights = pixels.map((j) => dot(dy, at(i), v, at(j)));
        const mean = weights.reduce((sum, w, j) => sum + w * dWeights[j]!, 0);
        for (const j of pixels) {
          const dScore = (weights[j]! * (dWeights[j]! - mean)) / Math.sqrt(DIM);
          for (const c of channels) {
            y[at(i) + c]! += weights[j]! * v[at(j) + c]!;
            dv[at(j) + c]! += weights[j]! * dy[at(i) + c]!;
            dq[at(i) + c]! += dScore * k[at(j) + c]!;
            dk[at(j) + c]! += dScore * q[at(i) + c]!;
          }
        }
      }
    }
  return out;
}

async function check(t: ExecutionContext, lengths: readonly number[]): Promise<void> {
  const tensorflow = await loadTensorflow();
  const routines = { attend: routine(lengths) };
  for (const machine of [
    new EagerMachine(tensorflow, routines),
    new GraphMachine(tensorflow, routines),
  ]) {
    const results = machine.run('attend', inputs);
    machine.dispose();
    for (const [i, expected] of exact().entries())
      close(t, results[i]!, expected, { atol: 1e-5, what: ['y', 'dq', 'dk', 'dv'][i]! });
  }
}

for (const lengths of [[5], [2, 2, 1], [1, 1, 1, 1, 1]])
  tensorflowTest(
    `attention over ${lengths.join(' + ')} images at a time gives the same result`,
    (t) => check(t, lengths),
  );

test('with many pixels, attention runs on few images at a time', (t) => {
  const parts = (batch: number, pixels: number, heads: number) =>
    attentionParts({ batch, pixels, heads, headDim: 8 });
  t.deepEqual(parts(64, 64, 16), [64]);
  t.deepEqual(parts(5, 1024, 4), [2, 2, 1]);
  t.deepEqual(parts(3, 4096, 8), [1, 1, 1]);
});
