import test from 'ava';
import { PRESETS } from '../../src/config/presets.js';
import { layerCosts } from '../../src/network/cost.js';
import { buildNetwork } from '../../src/network/network.js';
import { countParameters } from '../../src/network/parameters.js';

const { model } = PRESETS.reference;
const sum = (list: number[]): number => list.reduce((a, b) => a + b, 0);

test('the layers of the reference add up to its parameter counts', (t) => {
  const total = (norm: 'separate' | 'shared') =>
    sum(layerCosts(buildNetwork({ ...model, norm }, 64)).map((cost) => cost.parameters));
  t.is(total('separate'), 62_438_883);
  t.is(total('shared'), 62_433_123);
  t.is(countParameters(buildNetwork(model)), total('separate'));
});

test("operations follow from kernel, channels and the layer's resolution", (t) => {
  const costs = new Map(layerCosts(buildNetwork(model, 64)).map((cost) => [cost.layer.name, cost]));
  const forward = (name: string) => costs.get(name)?.forward;
  t.is(forward('conv0'), 2 * 3 * 64 * 9 * 64 ** 2);
  t.is(forward('downs.1.conv1'), 2 * 128 * 256 * 9 * 32 ** 2);
  t.is(forward('downs.1.transform'), 2 * 256 * 256 * 16 * 16 ** 2);
  t.is(forward('ups.0.conv1'), 2 * 2048 * 512 * 9 * 4 ** 2);
  t.is(forward('ups.0.transform'), 2 * 512 * 512 * 16 * 4 ** 2);
  t.is(costs.get('ups.3.transform')?.outputSide, 64);
  t.is(forward('output'), 2 * 64 * 3 * 64 ** 2);
});

test('training computes every product three times, except for unneeded input gradients', (t) => {
  for (const { layer, forward, training } of layerCosts(buildNetwork(model, 64)))
    t.is(training, (['conv0', 'time_mlp.1'].includes(layer.name) ? 2 : 3) * forward);
});
