// The operations of Haze's graphs on a GPU, each with its types once, as JSON: operations.mjs ROOT, a built checkout. TensorFlow is not loaded.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [root] = process.argv.slice(2);
if (root === undefined) {
  console.error('usage: node operations.mjs ROOT');
  process.exit(2);
}
const load = (path) => import(pathToFileURL(join(root, 'dist/src', path)));
const { recordGraph } = await load('tensorflow/graph.js');
const { makeNetwork } = await load('tensorflow/passes.js');
const { networkRoutines } = await load('tensorflow/routines.js');
const { buildNetwork } = await load('network/network.js');
const { buildDecoder, buildEncoder, readAutoencoderConfig } = await load('network/autoencoder.js');
const settings = await load('config/network-settings.js');
const presets = await load('config/presets.js');

/** The presets, and what they leave out: classes, other ways of sampling down, dropout, transformers. */
const simple = { kind: 'simple', size: 32, widths: [16, 32], channels: 3 };
const unet2d = { kind: 'unet2d', size: 16, widths: [32, 64], channels: 3, attention: [8] };
const dit = { kind: 'dit', size: 16, widths: [64], depth: 2, channels: 3 };
const models = [
  ...Object.values(presets.PRESETS).map(({ model }) => model),
  settings.completeModel(simple),
  settings.completeModel({ ...unet2d, numClasses: 10, dropout: 0.1 }),
  settings.completeModel({ ...unet2d, downPadding: 0, timeScaleShift: 'scale_shift' }),
  settings.completeModel({ ...dit, numClasses: 11, dropout: 0.1 }),
];
const autoencoders = [
  { _class_name: 'AutoencoderTiny' },
  {
    _class_name: 'AutoencoderKL',
    block_out_channels: [32, 64],
    down_block_types: ['DownEncoderBlock2D', 'DownEncoderBlock2D'],
    up_block_types: ['UpDecoderBlock2D', 'UpDecoderBlock2D'],
  },
].map((json) => readAutoencoderConfig('an autoencoder', json));
const graphs = [
  ...models.map((model) => buildNetwork(model, model.size)),
  ...autoencoders.flatMap((config) => [buildEncoder(config, 32), buildDecoder(config, 8)]),
];
const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.01, clip: 1 };
const optimizers = [adam, { ...adam, muon: { momentum: 0.95, ratio: 2 } }];

const found = new Map();
for (const graph of graphs)
  for (const optimizer of optimizers)
    for (const loss of ['l1', 'l2', 'huber']) {
      const options = { averages: 1, weighted: true, muon: optimizer.muon !== undefined };
      const shape = { graph, batch: 8 };
      const network = makeNetwork(shape, true, options);
      const how = { loss, optimizer, training: true, ema: [0.99], accumulate: 2 };
      for (const { op, attributes } of recordGraph(networkRoutines(network, how)).nodes) {
        const types = Object.entries(attributes).flatMap(([name, { kind, value }]) =>
          kind === 'type' ? [[name, value]] : [],
        );
        const row = { op, types: Object.fromEntries(types) };
        found.set(JSON.stringify(row), row);
      }
    }
console.log(JSON.stringify([...found.values()].sort((a, b) => (a.op < b.op ? -1 : 1))));
