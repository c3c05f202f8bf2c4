import { EagerMachine } from '../../src/tensorflow/eager.js';
import { groupNorm } from '../../src/tensorflow/group-norm.js';
import { loadTensorflow } from '../../src/tensorflow/load.js';
import type { Routine } from '../../src/tensorflow/ops.js';
import { Tape } from '../../src/tensorflow/tape.js';
import { close, values } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const [BATCH, SIDE, CHANNELS, GROUPS, EPS] = [2, 64, 6, 2, 1e-5];
const [PIXELS, EACH] = [SIDE ** 2, CHANNELS / GROUPS];
const image = [BATCH, SIDE, SIDE, CHANNELS];

/** → y, then the gradients of x, scale and offset. */
const ROUTINE: Routine = {
  inputs: [
    { name: 'x', shape: image },
    { name: 'scale', shape: [CHANNELS] },
    { name: 'offset', shape: [CHANNELS] },
    { name: 'dy', shape: image },
  ],
  body: (ops, [x, scale, offset, dy]) => {
    const tape = new Tape(ops);
    const affine = { scale: scale!, offset: offset!, eps: EPS };
    const of = { batch: BATCH, channels: CHANNELS, groups: GROUPS, pixels: PIXELS };
    const y = groupNorm(tape, x!, affine, of);
    tape.backward(y, dy!);
    return [y, ...[x!, scale!, offset!].map((value) => tape.gradient(value))];
  },
};

const count = BATCH * PIXELS * CHANNELS;
/** Means more than ten times the deviation: differences of large sums would lose their digits. */
const x = values(count, 1).map((v, i) => 1 + (i % CHANNELS) / 10 + 0.1 * v);
const dy = values(count, 2);
const scale = Float32Array.of(0.5, 2, 1, -1, 0.1, 1);
const offset = Float32Array.of(0, 1, -1, 0.5, 3, 0);

/** The same in f64. */
function exact() {
  const [y, dx] = [new Float64Array(count), new Float64Array(count)];
  const [dScale, dOffset] = [new Float64Array(CHANNELS), new Float64Array(CHANNELS)];
  for (let n = 0; n < BATCH; n++)
    for (let group = 0; group < GROUPS; group++) {
      const places = Array.from(
        { length: PIXELS * EACH },
        (_, i) => (n * PIXELS + Math.floor(i / EACH)) * CHANNELS + group * EACH + (i % EACH),
      );
      const mean = (of: (i: number) => number) =>
        places.reduce((sum, i) => sum + of(i), 0) / places.length;
      const mu = mean((i) => x[i]!);
      const root = 1 / Math.sqrt(mean((i) => (x[i]! - mu) ** 2) + EPS);
      const normal = (i: number) => (x[i]! - mu) * root;
      const scaled = (i: number) => dy[i]! * scale[i % CHANNELS]!;
      const [m1, m2] = [mean(scaled), mean((i) => scaled(i) * normal(i))];
      for (const i of places) {
        const c = i % CHANNELS;
        y[i] = normal(i) * scale[c]! + offset[c]!;
        dx[i] = root * (scaled(i) - m1 - normal(i) * m2);
        dScale[c]! += dy[i]! * normal(i);
        dOffset[c]! += dy[i]!;
      }
    }
  return { y, dx, dScale, dOffset };
}

tensorflowTest('a group norm keeps its precision over large images with large means', async (t) => {
  const machine = new EagerMachine(await loadTensorflow(), { norm: ROUTINE });
  const [y, dx, dScale, dOffset] = machine.run('norm', [x, scale, offset, dy]);
  machine.dispose();
  const expected = exact();
  close(t, y!, expected.y, { atol: 1e-5, what: 'y' });
  // Up to 40 here; the sums are of 8,192 numbers of both signs.
  close(t, dx!, expected.dx, { atol: 1e-4, what: 'dx' });
  close(t, dScale!, expected.dScale, { atol: 1e-3, what: 'dScale' });
  close(t, dOffset!, expected.dOffset, { atol: 1e-3, what: 'dOffset' });
});
