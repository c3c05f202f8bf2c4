import test from 'ava';
import { UsageError } from '../../src/errors.js';
import { buildNetwork, type NetworkConfig } from '../../src/network/network.js';
import { stateShapes } from '../../src/network/parameters.js';
import { networkFromShapes } from '../../src/network/recognise.js';

const SMALL: NetworkConfig = {
  kind: 'simple',
  widths: [5, 7, 11],
  channels: 3,
  timeDim: 32,
  norm: 'separate',
};

const message = (shapes: Map<string, readonly number[]>): string => {
  try {
    networkFromShapes(shapes);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return 'accepted';
};

const without = (name: string): Map<string, readonly number[]> => {
  const shapes = stateShapes(buildNetwork(SMALL));
  shapes.delete(name);
  return shapes;
};

const withShape = (name: string, shape: number[]): Map<string, readonly number[]> =>
  stateShapes(buildNetwork(SMALL)).set(name, shape);

for (const architecture of [
  SMALL,
  { kind: 'simple', widths: [4, 8], channels: 1, timeDim: 4, norm: 'shared' },
  { kind: 'simple', widths: [64, 128, 256, 512, 1024], channels: 3, timeDim: 32, norm: 'shared' },
] satisfies NetworkConfig[])
  test(`the architecture ${architecture.widths} (${architecture.norm}) is read off its own shapes`, (t) => {
    t.deepEqual(networkFromShapes(stateShapes(buildNetwork(architecture))), architecture);
  });

test('the order of the tensors does not matter', (t) => {
  const shapes = new Map([...stateShapes(buildNetwork(SMALL))].reverse());
  t.deepEqual(networkFromShapes(shapes), SMALL);
});

test('a tensor that is missing is named, whichever it is', (t) => {
  for (const name of stateShapes(buildNetwork(SMALL)).keys())
    if (!name.endsWith('.num_batches_tracked'))
      t.regex(message(without(name)), /: expected (a tensor|the shape)|no such tensor/, name);
  t.is(message(without('output.bias')), 'output.bias: expected a tensor of this name, got none');
});

test('a tensor of another shape is named with both shapes', (t) => {
  t.is(
    message(withShape('ups.1.conv1.weight', [5, 13, 3, 3])),
    'ups.1.conv1.weight: expected the shape [5, 14, 3, 3], got [5, 13, 3, 3]',
  );
  t.is(
    message(withShape('conv0.weight', [5, 3, 9])),
    'conv0.weight: expected 4 dimensions, got the shape [5, 3, 9]',
  );
});

test('a tensor too many is named', (t) => {
  t.is(message(withShape('ema.weight', [3])), 'ema.weight: no such tensor in this U-Net');
});

test('images of two channels, and odd time embeddings, are refused', (t) => {
  t.regex(
    message(withShape('conv0.weight', [5, 2, 3, 3])),
    /expected 1 or 3 image channels, got 2/,
  );
  t.regex(message(withShape('time_mlp.1.weight', [31, 31])), /even number of at least 4, got 31/);
});

test('an empty file is no U-Net', (t) => {
  t.is(message(new Map()), 'conv0.weight: expected a tensor of this name, got none');
});
