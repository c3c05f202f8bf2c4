/** Haze's own TensorFlow device, as a peer: `node dist/bench/peers/haze-tensorflow.js TASK [--eager]`. */
import { createTensorflowUnet } from '../../src/tensorflow/unet-device.js';
import { readTask, serve } from './peer.js';

const [file = '', flag] = process.argv.slice(2);
const { state, noise, ...task } = await readTask(file);
const unet = await createTensorflowUnet({ ...task, timesteps: 300, eager: flag === '--eager' });
await unet.importState(state);
await serve({
  predict: async () => mean(await unet.predict(task, 'running')),
  train: () => unet.trainStep(task, noise, 1e-3),
});

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
