import test, { type ExecutionContext } from 'ava';
import { completeModel, type GivenModel } from '../../../src/config/network-settings.js';
import { CounterRandom } from '../../../src/diffusion/random.js';
import { layerTimes } from '../../../src/engine/network/layer-times.js';
import { WasmNetwork } from '../../../src/engine/network/wasm-network.js';
import { layerCosts } from '../../../src/network/cost.js';
import { initialState } from '../../../src/network/initial-state.js';
import { buildNetwork } from '../../../src/network/network.js';

const BATCH = 2;

/** The rows of a pass of a network whose inputs stand in memory. */
async function rowsOf(t: ExecutionContext, given: GivenModel, kind: 'predict' | 'train') {
  const model = completeModel(given);
  const training = kind === 'train';
  const { network } = WasmNetwork.create({
    ...{ architecture: model, size: model.size, batch: BATCH, timesteps: 10, threads: 1 },
    training,
  });
  t.teardown(() => network.dispose());
  await network.importState(initialState(buildNetwork(model), new CounterRandom(1)));
  const image = new Float32Array(BATCH * model.size ** 2 * model.channels).fill(0.5);
  const input = { xt: image, t: Int32Array.of(1, 2) };
  await (training ? network.trainStep(input, image, 1e-3) : network.predict(input, 'running'));
  return layerTimes(network, kind, 1);
}

const UNET2D = { kind: 'unet2d', size: 16, widths: [8, 16], layers: 1 } as const;
const SIMPLE = { kind: 'simple', size: 16, widths: [8, 16] } as const;

test('UNet2DModel has a row for each convolution, norm with its activation, and attention', async (t) => {
  const rows = await rowsOf(t, UNET2D, 'predict');
  const row = (layer: string) => rows.find((one) => one.layer === layer);
  t.like(row('conv_in'), { kind: 'convolution', pass: 'forward' });
  t.like(row('down_blocks.0.resnets.0.norm1'), {
    ...{ kind: 'norm', pass: 'forward', algorithm: '+SiLU', gflops: null },
  });
  t.like(row('mid_block.attentions.0.group_norm'), { kind: 'norm', algorithm: null });
  t.like(row('mid_block.attentions.0.to_q,to_k,to_v'), { kind: 'linear', algorithm: 'dense' });
  t.like(row('mid_block.attentions.0'), { kind: 'attention', pass: 'forward' });
  t.true(row('mid_block.attentions.0')!.gflops! > 0);
  t.like(row('silu'), { kind: 'activation', pass: null });
  t.like(row('timeEmbedding'), { kind: 'time embedding', pass: null });
  t.false(rows.some(({ layer }) => /time_emb/.test(layer)));
});

test('Training also has rows for gradients, loss and optimizer', async (t) => {
  const rows = await rowsOf(t, UNET2D, 'train');
  const passes = (layer: string) => rows.filter((r) => r.layer === layer).map((r) => r.pass);
  t.deepEqual(passes('down_blocks.0.resnets.0.norm2'), ['forward', 'backward']);
  t.deepEqual(passes('mid_block.attentions.0'), ['forward', 'backward']);
  const kinds = new Set(rows.map(({ kind }) => kind));
  for (const kind of ['loss', 'optimizer', 'activation', 'norm', 'attention', 'linear'] as const)
    t.true(kinds.has(kind), kind);
});

test("The reference's norms have named rows, forward and backward", async (t) => {
  const rows = await rowsOf(t, SIMPLE, 'train');
  const norms = rows.filter(({ kind }) => kind === 'norm').map((r) => `${r.layer} ${r.pass}`);
  t.true(norms.includes('downs.0.bnorm1 forward'), norms.join());
  t.true(norms.includes('ups.0.bnorm2 backward'), norms.join());
  t.false(rows.some(({ layer }) => layer.startsWith('batchNorm')));
});

test('Layers that are computed together share a row with the products of all', async (t) => {
  const rows = await rowsOf(t, UNET2D, 'predict');
  const products = (layer: string) => {
    const { ms, gflops } = rows.find((one) => one.layer === layer)!;
    return Math.round(ms * gflops! * 1e6);
  };
  const output = products('mid_block.attentions.0.to_out.0');
  t.is(products('mid_block.attentions.0.to_q,to_k,to_v'), 3 * output);
});

test('A row gives the ratio of the products of its kernels to those of its layer', async (t) => {
  const rows = await rowsOf(t, UNET2D, 'predict');
  const taps = (layer: string) => rows.find((one) => one.layer === layer)!.taps ?? 1;
  t.is(taps('down_blocks.0.resnets.0.conv1'), 1);
  t.is(taps('down_blocks.0.downsamplers.0.conv'), 16 / 9);
  t.is(taps('up_blocks.0.upsamplers.0.conv'), 4 / 9);
  const simple = await rowsOf(t, SIMPLE, 'predict');
  t.deepEqual([...new Set(simple.map((one) => one.taps))], [undefined]);
});

/** Elements of a tensor of `channels` at half the image's side, `level` times. */
const elements = (channels: number, level = 0) => BATCH * (16 >> level) ** 2 * channels;

test('Norms, activations and the optimizer give the bytes that they move; products do not', async (t) => {
  const rows = await rowsOf(t, UNET2D, 'train');
  const bytes = (layer: string, pass: string | null = null) =>
    rows.find((one) => one.layer === layer && one.pass === pass)!.bytes;
  const norm = 'down_blocks.0.resnets.0.norm1';
  // Once for the statistics; once to normalise, and written.
  t.is(bytes(norm, 'forward'), 3 * 4 * elements(8));
  // Both gradients' sums with the activation in place, then the input's gradient, of which there may already be a part.
  const back = bytes(norm, 'backward')! / 4 / elements(8);
  t.true(back === 6 || back === 7, `${back}`);
  t.is(bytes('mid_block.attentions.0.group_norm', 'forward'), 3 * 4 * elements(16, 1));
  t.is(bytes('down_blocks.0.resnets.0.conv1', 'forward'), null);
  t.is(bytes('mid_block.attentions.0', 'forward'), null);
  const { parameters } = countOf(UNET2D);
  const adam = bytes('adam')!;
  t.true(adam >= 7 * 4 * parameters, 'padding comes on top');
  t.true(adam < 2 * 7 * 4 * parameters);
});

test("The reference's norms give the bytes that they move", async (t) => {
  const rows = await rowsOf(t, SIMPLE, 'train');
  const of = (layer: string, pass: string) =>
    rows.find((one) => one.layer === layer && one.pass === pass)!.bytes;
  t.is(of('downs.0.bnorm1', 'forward'), 4 * elements(16));
  t.is(of('downs.0.bnorm1', 'backward'), 5 * 4 * elements(16));
});

function countOf(given: GivenModel) {
  const costs = layerCosts(buildNetwork(completeModel(given)));
  return { parameters: costs.reduce((sum, { parameters }) => sum + parameters, 0) };
}
