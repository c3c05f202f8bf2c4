/** The operations of transformers and their gradients, in f64 beside TensorFlow's. */
import type { ExecutionContext } from 'ava';
import { positionTable } from '../../src/network/positions.js';
import { EagerMachine } from '../../src/tensorflow/eager.js';
import { loadTensorflow } from '../../src/tensorflow/load.js';
import { adaNorm, divided, gated } from '../../src/tensorflow/modulation.js';
import type { Routine } from '../../src/tensorflow/ops.js';
import { patches, pixels, positioned } from '../../src/tensorflow/patches.js';
import { concat, gelu } from '../../src/tensorflow/pointwise.js';
import { Tape } from '../../src/tensorflow/tape.js';
import { close, values } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const [BATCH, SIDE, CHANNELS] = [2, 6, 24];
const IMAGE = [BATCH, SIDE, SIDE, CHANNELS];
const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** → y, then the gradients of the inputs; the last input is the gradient of y. */
async function run(
  shapes: readonly (readonly number[])[],
  inputs: readonly Float32Array[],
  operation: <V>(tape: Tape<V>, inputs: readonly V[]) => V,
): Promise<Float32Array[]> {
  const routine: Routine = {
    inputs: shapes.map((shape, i) => ({ name: `${i}`, shape })),
    body: (ops, fed) => {
      const tape = new Tape(ops);
      const given = fed.slice(0, -1);
      const y = operation(tape, given);
      tape.backward(y, fed.at(-1)!);
      return [y, ...given.map((value) => tape.gradient(value))];
    },
  };
  const machine = new EagerMachine(await loadTensorflow(), { routine });
  const results = machine.run('routine', inputs);
  machine.dispose();
  return results;
}

function check(
  t: ExecutionContext,
  got: readonly Float32Array[],
  expected: Readonly<Record<string, ArrayLike<number>>>,
  atol: number,
): void {
  for (const [i, [what, exact]] of Object.entries(expected).entries())
    close(t, got[i]!, exact, { atol, what });
}

tensorflowTest('GELU by its approximation, and its slope, also far from 0', async (t) => {
  const x = Float32Array.from({ length: 401 }, (_, i) => (i - 200) / 10);
  const dy = values(x.length, 1);
  const at = (v: number) => {
    const tanh = Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3));
    const inner = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * v ** 2);
    return { y: (v / 2) * (1 + tanh), slope: (1 + tanh + v * (1 - tanh ** 2) * inner) / 2 };
  };
  const exact = Array.from(x, at);
  const got = await run([[401], [401]], [x, dy], (tape, [input]) => gelu(tape, input!));
  const dx = exact.map(({ slope }, i) => slope * dy[i]!);
  check(t, got, { y: exact.map(({ y }) => y), dx }, 2e-6);
});

tensorflowTest('an adaptive norm keeps its precision with large means', async (t) => {
  const eps = 1e-5;
  // A mean of ten deviations: a difference of large sums would lose its digits.
  const x = values(count(IMAGE), 1).map((v) => 5 + v);
  const [shift, scale] = [values(BATCH * CHANNELS, 2), values(BATCH * CHANNELS, 3)];
  const dy = values(x.length, 4);
  const vector = [BATCH, CHANNELS];
  const got = await run(
    [IMAGE, vector, vector, IMAGE],
    [x, shift, scale, dy],
    (tape, [image, by1, by2]) =>
      adaNorm(tape, image!, { shift: by1!, scale: by2! }, { eps, channels: CHANNELS }),
  );

  const [y, dx] = [new Float64Array(x.length), new Float64Array(x.length)];
  const [dShift, dScale] = [new Float64Array(shift.length), new Float64Array(shift.length)];
  for (let pixel = 0; pixel < BATCH * SIDE ** 2; pixel++) {
    const vectorAt = Math.floor(pixel / SIDE ** 2) * CHANNELS;
    const mean = (of: (c: number) => number) =>
      Array.from({ length: CHANNELS }, (_, c) => of(c)).reduce((a, b) => a + b) / CHANNELS;
    const at = (c: number) => pixel * CHANNELS + c;
    const mu = mean((c) => x[at(c)]!);
    const root = 1 / Math.sqrt(mean((c) => (x[at(c)]! - mu) ** 2) + eps);
    const normal = (c: number) => (x[at(c)]! - mu) * root;
    const scaled = (c: number) => dy[at(c)]! * (1 + scale[vectorAt + c]!);
    const [m1, m2] = [mean(scaled), mean((c) => scaled(c) * normal(c))];
    for (let c = 0; c < CHANNELS; c++) {
      y[at(c)] = normal(c) * (1 + scale[vectorAt + c]!) + shift[vectorAt + c]!;
      dx[at(c)] = root * (scaled(c) - m1 - normal(c) * m2);
      dShift[vectorAt + c]! += dy[at(c)]!;
      dScale[vectorAt + c]! += dy[at(c)]! * normal(c);
    }
  }
  check(t, got, { y, dx, dShift, dScale }, 2e-5);
});

tensorflowTest('a gate scales a branch, and its gradient sums over pixels', async (t) => {
  const [a, x, dy] = [1, 2, 3].map((seed) => values(count(IMAGE), seed)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const gate = values(BATCH * CHANNELS, 4);
  const got = await run(
    [IMAGE, IMAGE, [BATCH, CHANNELS], IMAGE],
    [a, x, gate, dy],
    (tape, [to, branch, by]) => gated(tape, to!, branch!, by!, CHANNELS),
  );
  const of = (i: number) => Math.floor(i / (SIDE ** 2 * CHANNELS)) * CHANNELS + (i % CHANNELS);
  const dGate = new Float64Array(gate.length);
  for (const [i, v] of x.entries()) dGate[of(i)]! += dy[i]! * v;
  const y = Array.from(x, (v, i) => a[i]! + v * gate[of(i)]!);
  const dx = Array.from(dy, (d, i) => d * gate[of(i)]!);
  check(t, got, { y, da: dy, dx, dGate }, 1e-5);
});

tensorflowTest('parts of a vector have one gradient, which joins theirs', async (t) => {
  const shape = [BATCH, 6];
  const dy = values(BATCH * 6, 2);
  const [, dx] = await run([shape, shape], [values(BATCH * 6, 1), dy], (tape, [input]) => {
    const [first, second, third] = divided(tape, input!, [2, 3, 1]);
    return concat(tape, concat(tape, second!, first!, [3, 2], 1), third!, [5, 1], 1);
  });
  const places = [3, 4, 0, 1, 2, 5];
  t.deepEqual(
    [...dx!],
    Array.from(dx!, (_, i) => dy[i - (i % 6) + places[i % 6]!]!),
  );
});

const PATCHES = { batch: BATCH, side: 3, size: 2, channels: 3 };
const PATCHED = { image: [BATCH, 6, 6, 3], tokens: [BATCH, 3, 3, 12] };

/** For each value of the tokens, that of the image; `channel` is the token's for a channel and pixel. */
function placesOf(channel: (c: number, y: number, x: number) => number): number[] {
  const { batch, side, size, channels } = PATCHES;
  const places: number[] = [];
  for (let image = 0; image < batch; image++)
    for (let row = 0; row < side * size; row++)
      for (let column = 0; column < side * size; column++)
        for (let c = 0; c < channels; c++) {
          const [y, x] = [Math.floor(row / size), Math.floor(column / size)];
          const token = ((image * side + y) * side + x) * size ** 2 * channels;
          const pixel = ((image * side * size + row) * side * size + column) * channels;
          places[token + channel(c, row % size, column % size)] = pixel + c;
        }
  return places;
}

tensorflowTest('patches have their channels in the order of convolutions', async (t) => {
  const { image, tokens } = PATCHED;
  const [x, dy] = [values(count(image), 1), values(count(tokens), 2)];
  const got = await run([image, tokens], [x, dy], (tape, [input]) =>
    patches(tape, input!, PATCHES),
  );
  const places = placesOf((c, row, column) => c * 4 + row * 2 + column);
  const dx = new Float32Array(x.length);
  for (const [i, place] of places.entries()) dx[place] = dy[i]!;
  check(t, got, { y: places.map((place) => x[place]!), dx }, 0);
});

tensorflowTest("a patch's pixels come from channels in the order of pixels", async (t) => {
  const { image, tokens } = PATCHED;
  const [x, dy] = [values(count(tokens), 1), values(count(image), 2)];
  const got = await run([tokens, image], [x, dy], (tape, [input]) => pixels(tape, input!, PATCHES));
  const places = placesOf((c, row, column) => (row * 2 + column) * 3 + c);
  const y = new Float32Array(x.length);
  for (const [i, place] of places.entries()) y[place] = x[i]!;
  check(t, got, { y, dx: places.map((place) => dy[place]!) }, 0);
});

tensorflowTest('positions are added to every image', async (t) => {
  const of = { base: 4, out: { id: 0, side: SIDE, channels: CHANNELS, parts: [CHANNELS] } };
  const [x, dy] = [values(count(IMAGE), 1), values(count(IMAGE), 2)];
  const got = await run([IMAGE, IMAGE], [x, dy], (tape, [input]) => positioned(tape, input!, of));
  const table = positionTable(of, CHANNELS);
  const y = x.map((v, i) => v + table[i % table.length]!);
  check(t, got, { y, dx: dy }, 0);
});
