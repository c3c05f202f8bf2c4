import { fileURLToPath } from 'node:url';
import { findInstall } from '../../src/tensorflow/locate.js';
import { command } from '../../src/tensorflow/setup/command.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const cuda = findInstall()?.origin === 'cuda';

tensorflowTest('libtensorflow loads without output, and stderr works afterwards', async (t) => {
  const load = new URL('../../src/tensorflow/load.js', import.meta.url);
  const script = `
    const { loadTensorflow } = await import(${JSON.stringify(fileURLToPath(load))});
    await loadTensorflow();
    console.error('after');`;
  const args = ['--input-type=module', '-e', script];
  const done = await command(process.execPath, args, process.env, process.cwd());
  t.is(done?.status, 0);
  // The CUDA build says on a machine without a GPU why it uses none.
  const lines = done!.stderr.split('\n').filter((line) => !(cuda && /\bcuInit\b/.test(line)));
  t.deepEqual(lines, ['after', '']);
});
