/** The arithmetic around the U-Net in tfjs-node, on tensors that stay in TensorFlow: `npm run bench:peer -- tfjs-node qSample`. */
import type { TfTensor } from '../../src/tensorflow/tfjs.js';
import { valuesOf } from '../../src/tensorflow/values.js';
import { loadAsShipped } from './as-shipped.js';
import { readTask, serve, type Work } from './peer.js';
import type { FullTf } from './tfjs-unet.js';

interface RandomTf extends FullTf {
  randomNormal(shape: number[]): TfTensor;
}

const { f32, shape } = await readTask();
const loaded = await loadAsShipped();
const tf = loaded.tf as RandomTf;
const dims = [...shape('x0')];
const values = f32('x0').length;
const [x0, eps, z] = ['x0', 'eps', 'z'].map((name) => tf.tensor(f32(name), dims)) as [
  TfTensor,
  TfTensor,
  TfTensor,
];
const pixels = tf.tensor(
  Uint8Array.from({ length: values }, (_, i) => i % 251),
  dims,
  'int32',
);
const [signal = 0, noise = 0] = f32('forward');
const [recip = 0, scale = 0, sigma = 0] = f32('ancestral');
const by = (x: TfTensor, factor: number) => tf.mul(x, tf.scalar(factor));

/** Reads the tensor's values, so that it is computed when the clock stops. */
const work =
  (compute: () => TfTensor): Work =>
  async () =>
    valuesOf(tf, () => [compute()])[0]!;

await serve(loaded.version, {
  gaussian: work(() => tf.randomNormal(dims)),
  qSample: work(() => tf.add(by(x0, signal), by(eps, noise))),
  pSample: work(() => tf.add(by(tf.sub(x0, by(eps, scale)), recip), by(z, sigma))),
  toFloat: work(() => tf.sub(tf.div(tf.cast(pixels, 'float32'), tf.scalar(127.5)), tf.scalar(1))),
});
