import test from 'ava';
import { PRESETS } from '../../src/config/presets.js';
import { buildNetwork } from '../../src/network/network.js';
import {
  chooseTile,
  convolutions,
  type NetworkShape,
  planConvolutions,
} from '../../src/tensorflow/algorithm.js';

const { model } = PRESETS.reference;
const reference = { graph: buildNetwork(model, model.size), batch: 8 };

const named = (shape: NetworkShape) =>
  new Map(convolutions(shape).map(([{ layer }, c]) => [layer.name, c]));
const byName = named(reference);

test('the shape of every convolution of the U-Net is found', (t) => {
  t.is(byName.size, 2 + 8 * 3);
  t.deepEqual(byName.get('conv0'), {
    batch: 8,
    side: 64,
    inputs: 3,
    outputs: 64,
    kernel: 3,
    stride: 1,
    padding: [1, 1],
  });
  t.like(byName.get('downs.3.transform'), { side: 8, inputs: 1024, outputs: 1024, kernel: 4 });
  t.like(byName.get('ups.0.conv1'), { side: 4, inputs: 2048, outputs: 512, kernel: 3 });
});

test('for a transposed convolution, x is the larger image', (t) => {
  t.like(byName.get('ups.3.transform'), { side: 64, inputs: 64, outputs: 64, stride: 2 });
  const graph = buildNetwork({ ...model, widths: [8, 16, 40] }, model.size);
  const shapes = named({ graph, batch: 8 });
  t.like(shapes.get('ups.0.transform'), { side: 32, inputs: 16, outputs: 16 });
});

test('wide layers are tiled; layers with three channels or 1x1 kernels are not', (t) => {
  for (const use of ['prediction', 'training'] as const) {
    for (const name of ['conv0', 'output']) t.is(chooseTile(byName.get(name)!, use), null, name);
    t.is(chooseTile(byName.get('downs.1.conv2')!, use), 4);
  }
});

test('if weights are larger than the image, no method that enlarges weights is chosen', (t) => {
  t.is(chooseTile(byName.get('downs.3.transform')!, 'training'), 0);
});

test("narrow networks use TensorFlow's own convolutions, and so do others on request", (t) => {
  const narrow = { graph: buildNetwork({ ...model, widths: [8, 16] }, 16), batch: 4 };
  for (const plan of [
    planConvolutions(narrow, 'training', false),
    planConvolutions(reference, 'training', true),
  ])
    for (const [{ layer }, algorithm] of plan) t.true('direct' in algorithm, layer.name);
});
