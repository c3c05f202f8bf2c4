import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { completeModel } from '../../src/config/network-settings.js';
import { UsageError } from '../../src/errors.js';
import { buildNetwork } from '../../src/network/network.js';
import { GraphMachine, recordGraph } from '../../src/tensorflow/graph.js';
import { savedModel, TAG } from '../../src/tensorflow/graph-def.js';
import { loadTensorflow } from '../../src/tensorflow/load.js';
import type { Routine } from '../../src/tensorflow/ops.js';
import { CONFIG_FILE, layoutOf, sessionConfig } from '../../src/tensorflow/session-config.js';
import { temporaryFolder } from '../helpers/folder.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const simple = completeModel({ kind: 'simple', size: 8, widths: [8, 16], channels: 3 });
const unet2d = completeModel({ kind: 'unet2d', size: 8, widths: [8, 16], channels: 3 });

test('TensorFlow may change the layout of networks with batch norms only', (t) => {
  const [ofSimple, ofUNet2D] = [buildNetwork(simple, 8), buildNetwork(unet2d, 8)];
  t.is(layoutOf(ofSimple, {}), 'auto');
  t.is(layoutOf(ofUNet2D, {}), 'nhwc');
  t.is(layoutOf(ofSimple, { HAZE_TENSORFLOW_LAYOUT: 'nhwc' }), 'nhwc');
  t.is(layoutOf(ofUNet2D, { HAZE_TENSORFLOW_LAYOUT: 'auto' }), 'auto');
  t.throws(() => layoutOf(ofSimple, { HAZE_TENSORFLOW_LAYOUT: 'NCHW' }), {
    instanceOf: UsageError,
    message: 'HAZE_TENSORFLOW_LAYOUT must be nhwc or auto, got "NCHW"',
  });
});

test('the configuration is what TensorFlow writes for it', (t) => {
  t.is(sessionConfig('auto').length, 0);
  // ConfigProto(graph_options=GraphOptions(rewrite_options=RewriterConfig(layout_optimizer=OFF))).SerializeToString()
  t.deepEqual([...sessionConfig('nhwc')], [82, 4, 82, 2, 8, 2]);
});

const routines: { double: Routine } = {
  double: {
    inputs: [{ name: 'x', shape: [2] }],
    body: (ops, [x]) => ops.op('AddV2', [x!, x!], { T: { kind: 'type', value: 1 } }),
  },
};

tensorflowTest('a session takes its configuration from the folder of the model', async (t) => {
  const tensorflow = await loadTensorflow();
  for (const layout of ['auto', 'nhwc'] as const) {
    const machine = new GraphMachine(tensorflow, routines, layout);
    t.deepEqual([...machine.run('double', [Float32Array.of(1, 2)])[0]!], [2, 4]);
    machine.dispose();
  }
  // tfjs's own binding has TensorFlow's defaults always.
  if (tensorflow.install.origin === 'official') return;
  const folder = await temporaryFolder(t);
  const { packageFolder } = tensorflow.install;
  await writeFile(
    join(folder, 'saved_model.pb'),
    savedModel(recordGraph(routines).nodes, packageFolder),
  );
  await writeFile(join(folder, CONFIG_FILE), 'not a message');
  const { binding } = tensorflow.backend;
  t.throws(() => binding.loadSavedModel(folder, TAG), { message: /Unparseable ConfigProto/ });
});
