import type { ExecutionContext } from 'ava';
import { batchNorm, batchNormFused } from '../../src/tensorflow/batch-norm.js';
import { EagerMachine } from '../../src/tensorflow/eager.js';
import { loadTensorflow } from '../../src/tensorflow/load.js';
import type { Routine } from '../../src/tensorflow/ops.js';
import { Tape } from '../../src/tensorflow/tape.js';
import { close, values } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

/** As many values in a channel as the reference has at batch 8. */
const [BATCH, SIDE, CHANNELS] = [8, 64, 2];
const COUNT = BATCH * SIDE ** 2;
const image = { shape: [BATCH, SIDE, SIDE, CHANNELS] };
const channels = { shape: [CHANNELS] };

/** → y, mean, variance, then the gradients of x, scale and offset. */
const norm = (fused: boolean): Routine => ({
  inputs: [
    { name: 'x', ...image },
    { name: 'scale', ...channels },
    { name: 'offset', ...channels },
    { name: 'dy', ...image },
  ],
  body: (ops, [x, scale, offset, dy]) => {
    const tape = new Tape(ops);
    const affine = { scale: scale!, offset: offset!, eps: 1e-5 };
    const { y, statistics } = fused
      ? batchNormFused(tape, x!, affine)
      : batchNorm(tape, x!, affine, COUNT);
    tape.backward(y, dy!);
    const gradients = [x!, scale!, offset!].map((value) => tape.gradient(value));
    return [y, statistics.mean, statistics.variance, ...gradients];
  },
});

/** What comes out of a ReLU: all sums have one sign. */
const x = values(COUNT * CHANNELS, 1).map((v) => Math.max(0, 0.02 + 0.1 * v));
const dy = values(COUNT * CHANNELS, 2);
const [scale, offset] = [Float32Array.of(0.5, 2), Float32Array.of(0.1, -1)];

/** The same in f64, for one channel. */
function exact(channel: number) {
  const of = (all: Float32Array) => Array.from({ length: COUNT }, (_, i) => all[2 * i + channel]!);
  const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / COUNT;
  const [mu, g] = [mean(of(x)), of(dy)];
  const variance = mean(of(x).map((v) => (v - mu) ** 2));
  const root = Math.sqrt(variance + 1e-5);
  const normal = of(x).map((v) => (v - mu) / root);
  const [dOffset, dScale] = [mean(g), mean(g.map((v, i) => v * normal[i]!))];
  return {
    y: normal.map((v) => v * scale[channel]! + offset[channel]!),
    mean: mu,
    variance: (variance * COUNT) / (COUNT - 1),
    dx: g.map((v, i) => ((v - dOffset - normal[i]! * dScale) * scale[channel]!) / root),
    dScale: dScale * COUNT,
    dOffset: dOffset * COUNT,
  };
}

async function checkNorm(t: ExecutionContext, fused: boolean, precision: number): Promise<void> {
  const machine = new EagerMachine(await loadTensorflow(), { norm: norm(fused) });
  const [y, mean, variance, dx, dScale, dOffset] = machine.run('norm', [x, scale, offset, dy]);
  machine.dispose();
  for (let channel = 0; channel < CHANNELS; channel++) {
    const expected = exact(channel);
    const of = (all: Float32Array) => all.filter((_, i) => i % CHANNELS === channel);
    close(t, of(y!), expected.y, { atol: 10 * precision, what: 'y' });
    close(t, of(mean!), [expected.mean], { rtol: precision, what: 'mean' });
    close(t, of(variance!), [expected.variance], { rtol: precision, what: 'variance' });
    // dx is up to 80 here, the gradients of scale and offset are sums of 32,768 signs.
    close(t, of(dx!), expected.dx, { atol: 100 * precision, what: 'dx' });
    close(t, of(dScale!), [expected.dScale], { atol: 1000 * precision, what: 'dScale' });
    close(t, of(dOffset!), [expected.dOffset], { atol: 1000 * precision, what: 'dOffset' });
  }
}

tensorflowTest('a norm keeps its precision over the values of a large batch', (t) =>
  checkNorm(t, false, 1e-6),
);

tensorflowTest("a GPU's norm gives the same result, within the rounding of this CPU", (t) =>
  checkNorm(t, true, 1e-3),
);
