import { makeTrajectory } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { createTensorflowArithmetic } from '../../src/tensorflow/arithmetic.js';
import { loadTensorflow } from '../../src/tensorflow/load.js';
import { close, values } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const schedule = makeSchedule({
  schedule: 'linear',
  timesteps: 300,
  betaStart: 1e-4,
  betaEnd: 0.02,
});

/** The same operations in the same order; TensorFlow's compiler may fuse a multiplication with an addition. */
const TOLERANCE = { atol: 5e-7, rtol: 5e-7 };

const [x, eps, z] = [values(3 * 40, 1), values(3 * 40, 2), values(3 * 40, 3)];

tensorflowTest('TensorFlow noises images like the kernels, each at its own t', async (t) => {
  const [tf, wasm] = [await createTensorflowArithmetic(), new Arithmetic()];
  close(t, tf.qSample(x, eps, 0.8, 0.6), wasm.qSample(x, eps, 0.8, 0.6), TOLERANCE);
  const steps = Int32Array.of(0, 150, 299);
  const got = tf.qSampleImages(x, eps, schedule, steps);
  close(t, got, wasm.qSampleImages(x, eps, schedule, steps), TOLERANCE);
});

tensorflowTest(
  'TensorFlow takes reverse steps like the kernels, ancestral and DDIM, to the last step',
  async (t) => {
    const [tf, wasm] = [await createTensorflowArithmetic(), new Arithmetic()];
    for (const options of [
      { sampler: 'ancestral' },
      { sampler: 'ddim', steps: 10, eta: 0.5 },
    ] as const) {
      const { kernel, coefficients, width, timesteps } = makeTrajectory(schedule, options);
      for (const i of [0, 5, timesteps.length - 1]) {
        const row = coefficients.slice(i * width, (i + 1) * width);
        const got = tf.reverseStep(kernel, x, eps, z, row);
        close(t, got, wasm.reverseStep(kernel, x, eps, z, row), TOLERANCE);
      }
    }
  },
);

tensorflowTest(
  'TensorFlow converts all pixel values both ways, and clamps values out of range',
  async (t) => {
    const [tf, wasm] = [await createTensorflowArithmetic(), new Arithmetic()];
    const pixels = Uint8Array.from({ length: 256 }, (_, i) => i);
    t.deepEqual(tf.toFloat(pixels), wasm.toFloat(pixels));
    t.deepEqual(tf.toBytes(tf.toFloat(pixels)), pixels);
    const odd = Float32Array.of(-2, -1, 0, 1, 7, Number.NaN, Number.POSITIVE_INFINITY);
    t.deepEqual(tf.toBytes(odd), wasm.toBytes(odd));
  },
);

tensorflowTest('TensorFlow mirrors only the flipped images', async (t) => {
  const [tf, wasm] = [await createTensorflowArithmetic(), new Arithmetic()];
  const shape = { height: 5, width: 7, channels: 3 };
  const pixels = Uint8Array.from({ length: 4 * 5 * 7 * 3 }, (_, i) => (i * 37) % 256);
  const flips = Uint32Array.of(0, 1, 1, 0);
  t.deepEqual(tf.batchToFloat(pixels, flips, shape), wasm.batchToFloat(pixels, flips, shape));
});

tensorflowTest("TensorFlow's arithmetic keeps no tensors", async (t) => {
  const { tf, backend } = await loadTensorflow();
  const arithmetic = await createTensorflowArithmetic();
  const before = [tf.memory().numTensors, backend.getNumOfTFTensors()];
  for (let i = 0; i < 50; i++) {
    arithmetic.reverseStep('pSample', x, eps, z, Float32Array.of(1, 0.5, 0.1));
    arithmetic.toBytes(arithmetic.qSample(x, eps, 0.5, 0.5));
  }
  t.deepEqual([tf.memory().numTensors, backend.getNumOfTFTensors()], before);
});
