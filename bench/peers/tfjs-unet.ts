/**
 * The U-Net written for tfjs as its documentation suggests: `tf.conv2d` and so on, trained with
 * `tf.train.adam`. It does not update running statistics, which is to its advantage. The caller chooses the backend.
 */

import { networkFromShapes } from '../../src/network/recognise.js';
import { type Stage, stages } from '../../src/network/simple.js';
import type { Tf, TfTensor } from '../../src/tensorflow/tfjs.js';
import { valuesOf } from '../../src/tensorflow/values.js';
import { readUnetTask, type Work } from './peer.js';

/** What this file uses of tfjs in addition to Haze. */
export interface FullTf extends Tf {
  variable(initial: TfTensor): TfTensor;
  transpose(x: TfTensor, axes: number[]): TfTensor;
  reshape(x: TfTensor, shape: number[]): TfTensor;
  concat(xs: TfTensor[], axis: number): TfTensor;
  matMul(a: TfTensor, b: TfTensor): TfTensor;
  relu(x: TfTensor): TfTensor;
  abs(x: TfTensor): TfTensor;
  mean(x: TfTensor): TfTensor;
  sin(x: TfTensor): TfTensor;
  cos(x: TfTensor): TfTensor;
  conv2d(x: TfTensor, w: TfTensor, strides: number, padding: 'same'): TfTensor;
  conv2dTranspose(
    x: TfTensor,
    w: TfTensor,
    shape: number[],
    strides: number,
    padding: 'same',
  ): TfTensor;
  moments(x: TfTensor, axes: number[]): { mean: TfTensor; variance: TfTensor };
  batchNorm(
    x: TfTensor,
    mean: TfTensor,
    variance: TfTensor,
    offset: TfTensor,
    scale: TfTensor,
    epsilon: number,
  ): TfTensor;
  train: {
    adam(rate: number): { minimize(loss: () => TfTensor, returnCost: true): TfTensor };
  };
}

/** The works of an initialised tfjs. */
export async function tfjsUnet(tf: FullTf): Promise<Record<'forward' | 'train', Work>> {
  const { state, batch, size, xt, noise, t } = await readUnetTask();
  const architecture = networkFromShapes(new Map([...state].map(([k, v]) => [k, v.shape])));
  if (architecture.kind !== 'simple') throw new Error('tfjs runs only the reference U-Net');
  const { channels, timeDim } = architecture;
  const list = stages(architecture);
  const weights = new Map<string, TfTensor>();
  for (const [name, { dtype, shape, data }] of state) {
    if (dtype !== 'F32') continue;
    const value = tf.tensor(data, shape);
    const kept =
      shape.length === 4
        ? tf.transpose(value, [2, 3, 1, 0])
        : shape.length === 2
          ? tf.transpose(value, [1, 0])
          : value;
    weights.set(name, /running_/.test(name) ? kept : tf.variable(kept));
  }
  const w = (layer: string) => weights.get(`${layer}.weight`)!;
  const b = (layer: string) => weights.get(`${layer}.bias`)!;

  const conv = (name: string, x: TfTensor, stride = 1) =>
    tf.add(tf.conv2d(x, w(name), stride, 'same'), b(name));
  const linear = (name: string, x: TfTensor) => tf.add(tf.matMul(x, w(name)), b(name));

  function norm(name: string, x: TfTensor, training: boolean): TfTensor {
    const running = () => ({
      mean: weights.get(`${name}.running_mean`)!,
      variance: weights.get(`${name}.running_var`)!,
    });
    const { mean, variance } = training ? tf.moments(x, [0, 1, 2]) : running();
    return tf.batchNorm(x, mean, variance, b(name), w(name), 1e-5);
  }

  function runStage(stage: Stage, x: TfTensor, time: TfTensor, training: boolean): TfTensor {
    const { name, outputs, norms, up } = stage;
    let h = norm(norms[0], tf.relu(conv(`${name}.conv1`, x)), training);
    const shift = tf.relu(linear(`${name}.time_mlp`, time));
    h = tf.add(h, tf.reshape(shift, [batch, 1, 1, outputs]));
    h = norm(norms[1], tf.relu(conv(`${name}.conv2`, h)), training);
    const transform = `${name}.transform`;
    if (!up) return conv(transform, h, 2);
    const side = h.shape[1]! * 2;
    const shape = [batch, side, side, outputs];
    return tf.add(tf.conv2dTranspose(h, w(transform), shape, 2, 'same'), b(transform));
  }

  function unet(x: TfTensor, steps: TfTensor, training: boolean): TfTensor {
    const half = timeDim / 2;
    const rates = Float32Array.from({ length: half }, (_, i) => 10000 ** (-i / (half - 1)));
    const angles = tf.mul(tf.reshape(steps, [batch, 1]), tf.tensor(rates, [1, half]));
    const time = tf.relu(linear('time_mlp.1', tf.concat([tf.sin(angles), tf.cos(angles)], 1)));
    let h = conv('conv0', x);
    const skips: TfTensor[] = [];
    for (const stage of list) {
      if (stage.up) h = tf.concat([h, skips.pop()!], 3);
      h = runStage(stage, h, time, training);
      if (!stage.up) skips.push(h);
    }
    return conv('output', h);
  }

  const image = (values: Float32Array) => tf.tensor(values, [batch, size, size, channels]);
  const [x, target, steps] = [image(xt), image(noise), tf.tensor(Float32Array.from(t), [batch])];
  const optimizer = tf.train.adam(1e-3);

  return {
    forward: async () => valuesOf(tf, () => [unet(x, steps, false)])[0]!,
    train: async () => {
      const loss = () => tf.mean(tf.abs(tf.sub(target, unet(x, steps, true))));
      const cost = optimizer.minimize(loss, true);
      const value = cost.dataSync();
      cost.dispose();
      return value;
    },
  };
}
