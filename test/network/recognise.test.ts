import test from 'ava';
import { UsageError } from '../../src/errors.js';
import { type DitConfig, ditDefaults } from '../../src/network/dit-config.js';
import { buildNetwork, type NetworkConfig } from '../../src/network/network.js';
import { stateShapes } from '../../src/network/parameters.js';
import { type Hints, networkFromShapes } from '../../src/network/recognise.js';
import { singleClassShapes } from '../../src/network/single-class.js';
import { type Unet2dConfig, unet2dDefaults } from '../../src/network/unet2d-config.js';

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
  test(`the architecture ${architecture.widths} (${architecture.norm}) is read from its own shapes`, (t) => {
    t.deepEqual(networkFromShapes(stateShapes(buildNetwork(architecture))), architecture);
  });

test('the order of the tensors does not matter', (t) => {
  const shapes = new Map([...stateShapes(buildNetwork(SMALL))].reverse());
  t.deepEqual(networkFromShapes(shapes), SMALL);
});

test('any missing tensor is named', (t) => {
  const counts = /\.num_batches_tracked$/;
  for (const name of [...stateShapes(buildNetwork(SMALL)).keys()].filter((n) => !counts.test(n)))
    t.regex(message(without(name)), /: expected (a tensor|the shape)|no such tensor/, name);
  t.is(message(without('output.bias')), 'output.bias: expected a tensor with this name, got none');
});

test("a norm's batch count may be missing; otherwise its shape is checked", (t) => {
  const name = 'downs.0.bnorm1.num_batches_tracked';
  t.deepEqual(networkFromShapes(without(name)), SMALL);
  t.is(message(withShape(name, [1])), `${name}: expected 0 dimensions, got the shape [1]`);
});

test('a tensor of the wrong shape is named with both shapes', (t) => {
  t.is(
    message(withShape('ups.1.conv1.weight', [5, 13, 3, 3])),
    'ups.1.conv1.weight: expected the shape [5, 14, 3, 3], got [5, 13, 3, 3]',
  );
  t.is(
    message(withShape('conv0.weight', [5, 3, 9])),
    'conv0.weight: expected 4 dimensions, got the shape [5, 3, 9]',
  );
});

test('an extra tensor is named', (t) => {
  t.is(message(withShape('ema.weight', [3])), 'ema.weight: no such tensor in this network');
});

test('images of too many channels, and odd time embeddings, are refused', (t) => {
  t.regex(
    message(withShape('conv0.weight', [5, 257, 3, 3])),
    /expected 1 to 256 image channels, got 257/,
  );
  t.regex(message(withShape('time_mlp.1.weight', [31, 31])), /even number of at least 4, got 31/);
});

test('an empty file is not a U-Net', (t) => {
  t.is(message(new Map()), 'conv0.weight: expected a tensor with this name, got none');
});

const UNET2D = unet2dDefaults({ widths: [8, 12, 16] });

for (const [what, change] of Object.entries({
  defaults: {},
  'one layer, grey': { layers: 1, channels: 1 },
  'no attention': {
    downAttention: [false, false, false],
    upAttention: [false, false, false],
    midAttention: false,
  },
  'attention on one way alone': {
    downAttention: [false, true, false],
    upAttention: [false, false, true],
  },
  'no middle': { mid: false },
  'scale and shift': { timeScaleShift: 'scale_shift' },
  'scale and shift with a norm in the middle': {
    timeScaleShift: 'scale_shift',
    attentionGroups: 4,
  },
  'residual resampling': {
    downAttention: [true, false, true],
    upAttention: [true, true, false],
    downType: 'resnet',
    upType: 'resnet',
  },
  classes: { numClasses: 7 },
  'timestep classes': { numClasses: 'timestep' },
  'a time embedding of another length': { timeDim: 20 },
  'heads that do not divide': { headDim: 5 },
} satisfies Record<string, Partial<Unet2dConfig>>))
  test(`a unet2d is read from its own shapes: ${what}`, (t) => {
    const config: Unet2dConfig = { ...UNET2D, ...change };
    t.deepEqual(networkFromShapes(stateShapes(buildNetwork(config))), config);
  });

test('hints supply what the shapes leave open', (t) => {
  const hints: Hints = {
    headDim: null,
    groups: 2,
    attentionGroups: 4,
    eps: 1e-6,
    flipSinToCos: false,
    freqShift: 1,
    midScale: 2,
    centerInput: true,
    downPadding: 0,
    dropout: 0.1,
  };
  const config: Unet2dConfig = { ...UNET2D, ...hints };
  t.deepEqual(networkFromShapes(stateShapes(buildNetwork(config)), hints), config);
  t.notDeepEqual(networkFromShapes(stateShapes(buildNetwork(config))), config);
});

test('any missing tensor of a unet2d is named', (t) => {
  for (const name of stateShapes(buildNetwork(UNET2D)).keys()) {
    const shapes = stateShapes(buildNetwork(UNET2D));
    shapes.delete(name);
    t.regex(
      message(shapes),
      /: expected (a tensor|the shape|\d dimensions)|no such tensor|--/,
      name,
    );
  }
});

const DIT: DitConfig = { ...ditDefaults({ widths: [24] }), widths: [24], depth: 2 };
const TABLE = 'transformer_blocks.1.norm1.emb.class_embedder.embedding_table.weight';

for (const [what, change] of Object.entries({
  defaults: {},
  'one block, grey': { depth: 1, channels: 1 },
  'larger patches': { patch: 4 },
  'another width': { widths: [20], headDim: 20 },
  classes: { numClasses: 7 },
} satisfies Record<string, Partial<DitConfig>>))
  test(`a dit is read from its own shapes: ${what}`, (t) => {
    const config: DitConfig = { ...DIT, ...change };
    t.deepEqual(networkFromShapes(stateShapes(buildNetwork(config))), config);
  });

test('hints supply what the shapes of a dit leave open, but no head that does not divide it', (t) => {
  const hints: Hints = { headDim: 8, eps: 1e-3, dropout: 0.1 };
  const shapes = stateShapes(buildNetwork(DIT));
  t.deepEqual(networkFromShapes(shapes, hints), { ...DIT, ...hints });
  t.deepEqual(networkFromShapes(shapes, { headDim: 7, groups: 3 }), DIT);
});

test('the config of another network is no hint', (t) => {
  t.deepEqual(networkFromShapes(stateShapes(buildNetwork(UNET2D)), { ...DIT, headDim: 8 }), UNET2D);
  t.deepEqual(networkFromShapes(stateShapes(buildNetwork(DIT)), { ...UNET2D, headDim: 24 }), DIT);
});

test('a dit with a table of one row per block has no classes', (t) => {
  const shapes = () =>
    new Map<string, readonly number[]>([
      ...stateShapes(buildNetwork(DIT)),
      ...singleClassShapes(DIT),
    ]);
  t.deepEqual(networkFromShapes(shapes()), DIT);
  const fewer = shapes();
  fewer.delete(TABLE);
  t.is(message(fewer), `${TABLE}: expected a tensor with this name, got none`);
  t.is(message(shapes().set(TABLE, [2, 24])), `${TABLE}: expected the shape [1, 24], got [2, 24]`);
});

test('any missing tensor of a dit is named, and one of other patches', (t) => {
  const all = () => stateShapes(buildNetwork({ ...DIT, numClasses: 3 }));
  for (const name of all().keys()) {
    const shapes = all();
    shapes.delete(name);
    t.regex(message(shapes), /: expected a tensor|: no such tensor/, name);
  }
  t.is(
    message(all().set('pos_embed.proj.weight', [24, 3, 2, 3])),
    'pos_embed.proj.weight: expected the shape [24, 3, 2, 2], got [24, 3, 2, 3]',
  );
  t.is(
    message(all().set('pos_embed.proj.weight', [24, 4, 2, 2])),
    'proj_out_2.weight: expected the shape [16, 24], got [12, 24]',
  );
});
