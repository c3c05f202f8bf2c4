import { loadTensorflow } from '../../src/tensorflow/load.js';
import type { Tf } from '../../src/tensorflow/tfjs.js';
import { valuesOf } from '../../src/tensorflow/values.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

tensorflowTest('reading values frees their tensors', async (t) => {
  const { tf } = await loadTensorflow();
  const before = tf.memory().numTensors;
  const [sum] = valuesOf(tf, () => [tf.add(tf.scalar(1), tf.scalar(2))]);
  t.deepEqual(sum, Float32Array.of(3));
  t.is(tf.memory().numTensors, before);
});

tensorflowTest('tidy receives no values to search', async (t) => {
  const { tf } = await loadTensorflow();
  const returned: unknown[] = [];
  const tidy = <T>(body: () => T): T =>
    tf.tidy(() => {
      const result = body();
      returned.push(result);
      return result;
    });
  const watched: Tf = Object.create(tf, { tidy: { value: tidy } });
  valuesOf(watched, () => [tf.scalar(1)]);
  t.deepEqual(returned, [undefined]);
});
