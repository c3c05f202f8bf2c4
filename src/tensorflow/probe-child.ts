/** The child of `probe`: loads the install named on its command line and prints its properties as JSON. */
import { loadInstall } from './load.js';
import type { Install } from './locate.js';

const install = JSON.parse(process.argv[2]!) as Install;
const { tf, backend, version, gpu } = await loadInstall(install);
const { binding } = backend;
const type = { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT };
const no = (name: string) => ({ name, type: binding.TF_ATTR_BOOL, value: false });
const product = tf.tidy(() => {
  const a = tf.tensor([1, 2, 3, 4], [2, 2], 'float32');
  const attributes = [type, no('transpose_a'), no('transpose_b')];
  return backend.executeMultipleOutputs('MatMul', attributes, [a, a], 1)[0]!.dataSync().join();
});
if (product !== '7,10,15,22') throw new Error(`a 2x2 product gave ${product}`);
process.stdout.write(`${JSON.stringify({ version, gpu })}\n`);
