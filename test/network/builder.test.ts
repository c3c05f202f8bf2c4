import test, { type ExecutionContext } from 'ava';
import { ShapeError } from '../../src/errors.js';
import { GraphBuilder } from '../../src/network/builder.js';

/** A graph for images of 8x8 pixels, and its image after a convolution to 4 channels. */
function begun() {
  const g = new GraphBuilder(8, 3);
  const conv = g.declare.conv('conv', 3, 4, 3);
  const image = g.image();
  return { g, conv, image, x: g.conv(conv, image) };
}

const refuses = (t: ExecutionContext, build: () => unknown, message: string) =>
  t.throws(build, { instanceOf: ShapeError, message });

test('a layer that does not fit its input, and a name used twice, are refused by name', (t) => {
  const { g, conv, x } = begun();
  refuses(t, () => g.declare.linear('conv', 4, 4), 'conv: two layers have this name');
  refuses(t, () => g.conv(conv, x), 'conv: expected 3, got 4');
  const large = g.declare.conv('large', 4, 4, 11, { padding: [1, 1] });
  refuses(t, () => g.conv(large, x), 'large: a kernel of 11 on 8 pixels');
  const norm = g.declare.batchNorm('norm', 8);
  refuses(t, () => g.norm(norm, x), 'norm: expected 8, got 4');
  refuses(t, () => g.attention('block', x, x, x, 2, 4), 'block: expected 8, got 4');
});

test('values of different shapes are refused', (t) => {
  const { g, image, x } = begun();
  refuses(t, () => g.add(image, x), 'add: expected 3, got 4');
  const half = g.downsample(x);
  refuses(t, () => g.add(x, half), 'add: sides of 8 and 4, expected equal ones or a vector');
  refuses(t, () => g.concat(x, half), 'concat: expected 8, got 4');
  const odd = new GraphBuilder(7, 3);
  refuses(t, () => odd.downsample(odd.image()), 'downsample: expected an even side, got 7');
});

test('a value that is added to a concatenation, or scales and shifts, must be divided alike', (t) => {
  const { g, x } = begun();
  const both = g.concat(x, x);
  const widen = g.declare.conv('widen', 4, 8, 1);
  refuses(t, () => g.add(both, g.conv(widen, x)), 'add: expected channels divided into 4,4, got 8');
  t.deepEqual(g.add(both, g.conv(widen, x, [4, 4])).parts, [4, 4]);
  refuses(t, () => g.conv(widen, x, [4, 3]), 'parts: expected 8, got 7');
  refuses(t, () => g.film(x, g.conv(widen, x)), 'film: expected channels divided into 4,4, got 8');
});

test('the output must have the shape of the images', (t) => {
  const { g, image, x } = begun();
  refuses(t, () => g.build(x), 'output: expected 3, got 4');
  refuses(t, () => g.build(g.downsample(image)), 'output: expected 8, got 4');
  t.is(g.build(image).layers.length, 1);
});
