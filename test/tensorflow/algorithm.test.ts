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

test('every convolution of the U-Net has its shape', (t) => {
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

test('of a transposed convolution, the larger image is x', (t) => {
  t.like(byName.get('ups.3.transform'), { side: 64, inputs: 64, outputs: 64, stride: 2 });
  const graph = buildNetwork({ ...model, widths: [8, 16, 40] }, model.size);
  const shapes = named({ graph, batch: 8 });
  t.like(shapes.get('ups.0.transform'), { side: 32, inputs: 16, outputs: 16 });
});

test('wide layers go through tiles; images of three channels and 1x1 kernels do not', (t) => {
  for (const use of ['prediction', 'training'] as const) {
    for (const name of ['conv0', 'output']) t.is(chooseTile(byName.get(name)!, use), null, name);
    t.is(chooseTile(byName.get('downs.1.conv2')!, use), 4);
  }
});

test('where weights outweigh the image, nothing that enlarges them is chosen', (t) => {
  t.is(chooseTile(byName.get('downs.3.transform')!, 'training'), 0);
});

test("narrow networks keep to TensorFlow's own convolutions, and so does whoever asks for them", (t) => {
  const narrow = { graph: buildNetwork({ ...model, widths: [8, 16] }, 16), batch: 4 };
  for (const plan of [
    planConvolutions(narrow, 'training', false),
    planConvolutions(reference, 'training', true),
  ])
    for (const [{ layer }, algorithm] of plan) t.true('direct' in algorithm, layer.name);
});
