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

test('a vector that modulates must be divided like the channels, and each part read once', (t) => {
  const { g, x } = begun();
  const time = g.sinusoid('time', 12, { order: 'sin-cos', shift: 0, divide: 'after' });
  const modulate = g.declare.linear('modulate', 12, 12);
  const first = { shift: 0, scale: 1, eps: 1e-6 };
  refuses(t, () => g.adaNorm(x, x, first), 'adaNorm: expected a vector, got an image of 8 pixels');
  const whole = g.linear(modulate, time);
  refuses(t, () => g.adaNorm(x, whole, first), 'adaNorm: expected channels divided into 12, got 4');
  const by = g.linear(modulate, time, [4, 4, 4]);
  const y = g.adaNorm(x, by, first);
  refuses(t, () => g.adaNorm(time, by, first), 'adaNorm: expected an image, got a vector');
  refuses(t, () => g.gate(x, y, by, 3), 'gate: expected channels divided into 0, got 4');
  const out = g.declare.conv('out', 4, 3, 3);
  const unread = 'modulation: the output does not depend on part 2 of a vector';
  refuses(t, () => g.build(g.conv(out, y)), unread);
  const z = g.gate(x, y, by, 2);
  t.is(g.build(g.conv(out, z)).nodes.at(-2)!.op, 'gate');
  const both = g.add(z, g.linear(g.declare.linear('again', 12, 4), by));
  const others = 'linear: reads a vector whose parts modulate others';
  refuses(t, () => g.build(g.conv(out, both)), others);
  const again = g.gate(z, z, by, 1);
  const twice = 'adaNorm: part 1 of a vector is read twice';
  refuses(t, () => g.build(g.conv(out, again)), twice);
});

test('patches and positions need images whose sides and channels divide', (t) => {
  const { g, image, x } = begun();
  refuses(t, () => g.patches(image, 3), 'patches: expected a multiple of 3 pixels, got 8');
  const tokens = g.patches(image, 2);
  t.deepEqual([tokens.side, tokens.channels], [4, 12]);
  t.deepEqual([g.pixels(tokens, 2).side, g.pixels(tokens, 2).channels], [8, 3]);
  refuses(
    t,
    () => g.pixels(image, 2),
    'pixels: expected pixels of a multiple of 4 channels, got 3',
  );
  refuses(t, () => g.positions(image), 'positions: expected a multiple of 4 channels, got 3');
  const both = g.concat(x, x);
  refuses(t, () => g.patches(both, 2), 'patches: expected undivided channels, got 4,4');
  refuses(t, () => g.positions(both), 'positions: expected a multiple of 4 channels, got 4,4');
});

test('the output must have the shape of the images', (t) => {
  const { g, image, x } = begun();
  refuses(t, () => g.build(x), 'output: expected 3, got 4');
  refuses(t, () => g.build(g.downsample(image)), 'output: expected 8, got 4');
  t.is(g.build(image).layers.length, 1);
});
