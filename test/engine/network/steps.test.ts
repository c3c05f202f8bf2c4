import test from 'ava';
import { channelsOf } from '../../../src/engine/network/memory.js';
import { place, schedule } from '../../../src/engine/network/schedule.js';
import { fuse, type Step } from '../../../src/engine/network/steps.js';
import { RunError } from '../../../src/errors.js';
import { GraphBuilder } from '../../../src/network/builder.js';
import type { Value } from '../../../src/network/graph.js';
import { buildNetwork } from '../../../src/network/network.js';

const REFERENCE = buildNetwork(
  { kind: 'simple', widths: [8, 16], channels: 3, timeDim: 8, norm: 'separate' },
  8,
);

/** A step in a word. */
const word = (step: Step): string => {
  if (step.op === 'convolve')
    return `${step.layer.name}${step.upsampled ? ' upsampled' : ''}${step.relu ? ' relu' : ''}${step.side ? ' sum' : ''}`;
  if (step.op === 'groupNorm')
    return `${step.layer.name}${step.vector ? ' vector' : ''}${step.film ? ' film' : ''}${step.silu ? ' silu' : ''}`;
  if (step.op === 'batchNorm') return `${step.layer.name}${step.vector ? ' vector' : ''}`;
  return step.op;
};

/** The steps of a small network of one's own, behind conv `in` of 8 channels. */
function stepsOf(body: (g: GraphBuilder, x: Value) => Value): string[] {
  const g = new GraphBuilder(8, 3);
  const [first, last] = [g.declare.conv('in', 3, 8, 3), g.declare.conv('out', 8, 3, 3)];
  const x = g.conv(first, g.image());
  return fuse(g.build(g.conv(last, body(g, x)))).map(word);
}

test('ReLUs are fused with their convolution, and the time embedding with the norm before it', (t) => {
  const stage = (name: string) => [
    `${name}.conv1 relu`,
    `${name}.time_mlp relu`,
    `${name}.bnorm1 vector`,
    `${name}.conv2 relu`,
    `${name}.bnorm2`,
    `${name}.transform`,
  ];
  const words = fuse(REFERENCE).map(word);
  t.deepEqual(words.slice(0, 4), ['sinusoid', 'time_mlp.1 relu', 'image', 'conv0']);
  t.deepEqual(
    [...words.slice(4)].sort(),
    [...stage('downs.0'), 'concat', ...stage('ups.0'), 'output'].sort(),
  );
});

const sinusoid = (g: GraphBuilder, channels: number): Value =>
  g.sinusoid('time', channels, { order: 'sin-cos', shift: 0, divide: 'after' });

test('A residual block compiles to two norms and two convolutions', (t) => {
  const words = stepsOf((g, x) => {
    const { declare } = g;
    const time = g.linear(declare.linear('time', 8, 8), sinusoid(g, 8));
    let h = g.conv(declare.conv('a', 8, 8, 3), g.silu(g.norm(declare.groupNorm('n', 8, 2), x)));
    h = g.silu(g.norm(declare.groupNorm('m', 8, 2), g.add(h, time)));
    return g.add(x, g.conv(declare.conv('b', 8, 8, 3), h));
  });
  t.deepEqual(words.slice(2), ['sinusoid', 'time', 'n silu', 'a', 'm vector silu', 'b sum', 'out']);
});

test('An upsampling is fused with a following convolution, and is a separate step otherwise', (t) => {
  const doubled = (g: GraphBuilder, x: Value) => g.upsample(g.downsample(x));
  const joined = stepsOf((g, x) => g.conv(g.declare.conv('a', 8, 8, 3), doubled(g, x)));
  t.deepEqual(joined.slice(2), ['downsample', 'a upsampled', 'out']);
  const apart = stepsOf((g, x) => g.add(x, doubled(g, x)));
  t.deepEqual(apart.slice(2), ['downsample', 'upsample', 'add', 'out']);
});

test('An unsupported operation is refused with its reason', (t) => {
  const cases: [RegExp, (g: GraphBuilder, x: Value) => Value][] = [
    [
      /normalises a value that is not a ReLU's output/,
      (g, x) => g.norm(g.declare.batchNorm('n', 8), x),
    ],
    [
      /a film without a group norm/,
      (g, x) => g.film(x, g.linear(g.declare.linear('by', 4, 16), sinusoid(g, 4), [8, 8])),
    ],
  ];
  for (const [message, body] of cases)
    t.throws(() => stepsOf(body), { instanceOf: RunError, message });
});

test('Operations on vectors come first, grouped by dependency', (t) => {
  const { waves, images } = schedule(REFERENCE);
  t.deepEqual(
    waves.map((wave) => wave.map(word)),
    [['sinusoid', 'image'], ['time_mlp.1 relu'], ['downs.0.time_mlp relu', 'ups.0.time_mlp relu']],
  );
  t.false(images.some((step) => step.out.side === 0));
});

test('Concatenations contain each of their inputs once', (t) => {
  const order = schedule(REFERENCE);
  const placed = place(order, true, channelsOf);
  const concat = order.images.find((step) => step.op === 'concat');
  if (concat?.op !== 'concat') return t.fail('no concatenation');
  // At the bottom both parts are one value: it lies in the second half and is copied into the first.
  t.is(concat.a.id, concat.b.id);
  t.deepEqual(placed.get(concat.b.id), { inside: concat.out, first: 16 });
});
