import { cpSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Args } from '../../src/config/args.js';
import { readClassLabels } from '../../src/config/class-labels.js';
import { COMPUTING_DEFAULTS } from '../../src/config/computing.js';
import type { ModelConfig } from '../../src/config/config.js';
import { openModel } from '../../src/config/open-model.js';
import { openUnet } from '../../src/device/open.js';
import { UsageError } from '../../src/errors.js';
import { readJsonFileSync } from '../../src/io/run.js';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import { readWeights } from '../../src/io/weights.js';
import type { F32Tensor, StateDict, Tensor } from '../../src/network/state.js';
import { toChannelsLast } from '../../src/parity/fixture.js';
import { fixturePath } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { close } from '../helpers/kernels.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const pipeline = (name: string): string => fixturePath(`pipelines/${name}`);
const open = (path: string, flags: Record<string, string | boolean> = {}) =>
  openModel(path, new Args(flags));

/** The network of make_pipelines.py. */
const NETWORK = {
  kind: 'unet2d',
  size: 8,
  channels: 3,
  widths: [8, 12],
  layers: 1,
  downAttention: [false, true],
  upAttention: [true, false],
  mid: true,
  midAttention: true,
  midScale: 1,
  headDim: null,
  groups: 4,
  attentionGroups: null,
  eps: 1e-6,
  timeDim: 32,
  flipSinToCos: false,
  freqShift: 1,
  timeScaleShift: 'default',
  centerInput: false,
  downPadding: 0,
  downType: 'conv',
  upType: 'conv',
  numClasses: null,
  dropout: 0,
} as const;

const MINIMUM = {
  kind: 'unet2d',
  headDim: 6,
  groups: 4,
  eps: 1e-5,
  flipSinToCos: true,
  freqShift: 0,
};

for (const name of ['nested', 'flat', 'fp16'])
  test(`a diffusers folder is a model: ${name}`, async (t) => {
    const { model, run } = await open(pipeline(name));
    t.deepEqual(model, NETWORK);
    t.is(run, null);
  });

test("a diffusers folder's scheduler determines the forward process and sampling", async (t) => {
  const { diffusion, sampling } = await open(pipeline('nested'));
  t.like(diffusion, { timesteps: 50, schedule: 'linear', betaStart: 1e-4, betaEnd: 0.02 });
  t.like(sampling, { sampler: 'ancestral', clamp: 1.5, variance: 'large' });
  t.like((await open(pipeline('fp16'))).sampling, { sampler: 'ddim', clamp: 1 });
});

test('pickles, older names and half precision give the same weights', async (t) => {
  const weights = async (name: string) => readWeights((await open(pipeline(name))).weights);
  const [nested, flat, half] = [
    await weights('nested'),
    await weights('flat'),
    await weights('fp16'),
  ];
  t.deepEqual([...flat.keys()].sort(), [...nested.keys()].sort());
  for (const [name, { data }] of nested) {
    t.deepEqual(flat.get(name)!.data, data, name);
    close(t, half.get(name)!.data as Float32Array, data as Float32Array, {
      rtol: 1e-3,
      atol: 1e-6,
    });
  }
});

for (const device of ['wasm', 'tensorflow'] as const)
  (device === 'wasm' ? test : tensorflowTest)(
    `a network of diffusers computes on ${device} what it computes there`,
    async (t: ExecutionContext) => {
      const { weights, model } = await open(pipeline('nested'));
      const { tensors } = await readSafetensors(pipeline('out.safetensors'));
      const images = (name: string) =>
        toChannelsLast((tensors.get(name) as F32Tensor).data, 3, 8 * 8);
      const { unet } = await openUnet(
        device,
        { ...COMPUTING_DEFAULTS, device, threads: 2 },
        { architecture: model, size: 8, batch: 3, timesteps: 50, training: false },
      );
      t.teardown(() => unet.dispose());
      await unet.importState(await readWeights(weights));
      const input = { xt: images('x'), t: Int32Array.from(tensors.get('t')!.data, Number) };
      close(t, await unet.predict(input, 'running'), images('out'), { atol: 1e-5 });
    },
  );

test("flags may repeat the folder's settings and set the image size, but nothing else", async (t) => {
  t.is((await open(pipeline('nested'), { size: '16' })).model.size, 16);
  await t.notThrowsAsync(
    open(pipeline('nested'), { groups: '4', attention: '4', timesteps: '50', 'norm-eps': '1e-6' }),
  );
  const wrong: [flags: Record<string, string | boolean>, message: RegExp][] = [
    [{ groups: '2' }, /^--groups: .*nested has 4, got 2$/],
    [{ 'head-dim': '4' }, /^--head-dim: .*nested has none, got 4$/],
    [{ 'norm-eps': '0.1' }, /^--norm-eps: .*nested has 0.000001, got 0.1$/],
    [{ attention: '8,4' }, /^--attention: /],
    [{ 'flip-sin-to-cos': true }, /^--flip-sin-to-cos: .*nested has off, got on$/],
    [{ timesteps: '300' }, /^--timesteps: .*nested has 50, got 300$/],
    [{ norm: 'shared' }, /^--norm: belongs to --network simple; the network is unet2d$/],
    [{ network: 'simple' }, /^--network: .*nested has unet2d, got simple$/],
    [
      { 'network-config': join(pipeline('nested'), 'unet', 'config.json') },
      /^--network-config: belongs to bare weights; .*nested has its network's config$/,
    ],
  ];
  for (const [flags, message] of wrong)
    await t.throwsAsync(open(pipeline('nested'), flags), { instanceOf: UsageError, message });
});

/** The weights of the pipeline as a bare file, changed. */
async function bare(
  t: ExecutionContext,
  change: (state: StateDict) => StateDict = (state) => state,
): Promise<string> {
  const path = join(await temporaryFolder(t), 'bare.safetensors');
  const state = await readWeights((await open(pipeline('nested'))).weights);
  await writeSafetensors(path, change(state));
  return path;
}

test('the architecture of bare weights follows from shapes, and from defaults otherwise', async (t) => {
  const { model, notes } = await open(await bare(t), { size: '8' });
  t.deepEqual(model, { ...NETWORK, ...MINIMUM, downPadding: 1 });
  t.is(notes.length, 2);
  t.regex(
    notes[0]!,
    /assumed: --head-dim 6, --groups 4, .*--norm-eps 0.00001, --flip-sin-to-cos on/,
  );
});

test('of weights without a scheduler the forward process that is assumed is said, unless it is given', async (t) => {
  const path = await bare(t);
  const said = async (flags: Record<string, string>) =>
    (await open(path, { size: '8', ...flags })).notes.slice(1);
  const assumed = `${path}: weights do not tell their forward process; assumed: `;
  t.deepEqual(await said({}), [
    `${assumed}--timesteps 300, --schedule linear, --objective epsilon`,
  ]);
  t.deepEqual(await said({ timesteps: '1000', objective: 'v' }), [`${assumed}--schedule linear`]);
  t.deepEqual(await said({ timesteps: '9', schedule: 'linear', objective: 'v' }), []);
});

test('flags or a config set what the shapes of bare weights leave open', async (t) => {
  const flags = {
    ...{ size: '8', 'head-dim': 'all', 'norm-eps': '1e-6', 'flip-sin-to-cos': false },
    ...{ 'freq-shift': '1', 'down-padding': '0' },
  };
  t.deepEqual((await open(await bare(t), flags)).model, NETWORK);
  const config = join(pipeline('nested'), 'unet', 'config.json');
  t.deepEqual((await open(await bare(t), { 'network-config': config })).model, NETWORK);
  await t.throwsAsync(
    open(fixturePath('../fixtures/pipelines/nested/unet/diffusion_pytorch_model.safetensors'), {
      'network-config': config,
      widths: '8,16',
      size: '8',
    }),
    { instanceOf: UsageError, message: /^--widths: .* has 8,12, got 8,16$/ },
  );
});

test('attention as 1x1 convolutions is read', async (t) => {
  const path = await bare(
    t,
    (state) =>
      new Map(
        [...state].map(([name, tensor]): [string, Tensor] => {
          const shape = /attentions.*to_.*weight$/.test(name)
            ? [...tensor.shape, 1, 1]
            : tensor.shape;
          return [name.replace('.to_q.', '.query.'), { ...tensor, shape } as Tensor];
        }),
      ),
  );
  const state = await readWeights(path);
  t.deepEqual(state.get('mid_block.attentions.0.to_q.weight')!.shape, [12, 12]);
});

test('a folder that lacks a file or holds another pipeline is refused by name', async (t) => {
  const copy = async (change: (folder: string) => void) => {
    const folder = join(await temporaryFolder(t), 'pipeline');
    cpSync(pipeline('nested'), folder, { recursive: true });
    change(folder);
    return folder;
  };
  const weights = join('unet', 'diffusion_pytorch_model.safetensors');
  const cases: [change: (folder: string) => void, message: RegExp][] = [
    [
      (f) => rmSync(join(f, weights)),
      /unet: expected diffusion_pytorch_model\.safetensors or \.bin, got neither/,
    ],
    [
      (f) =>
        renameSync(join(f, weights), join(f, weights.replace('.safe', '-00001-of-00002.safe'))),
      /got diffusion_pytorch_model-00001-of-00002\.safetensors, in shards, which are not supported/,
    ],
    [
      (f) => rmSync(join(f, 'scheduler'), { recursive: true }),
      /expected .*scheduler_config\.json, got neither/,
    ],
    [
      (f) => writeFileSync(join(f, 'model_index.json'), '{"_class_name": "ScoreSdeVePipeline"}'),
      /model_index\.json: _class_name: expected DDPMPipeline or DDIMPipeline or LDMPipeline or DiTPipeline, got "ScoreSdeVePipeline"/,
    ],
    [
      (f) => {
        const path = join(f, 'model_index.json');
        const scheduler = ['diffusers', 'PNDMScheduler'];
        writeFileSync(path, JSON.stringify({ ...readJsonFileSync(path), scheduler }));
      },
      /scheduler_config\.json\._class_name: expected PNDMScheduler, as model_index\.json has, got DDPMScheduler/,
    ],
    [
      (f) => {
        const path = join(f, 'unet', 'config.json');
        writeFileSync(path, JSON.stringify({ ...readJsonFileSync(path), act_fn: 'mish' }));
      },
      /unet\/config\.json: act_fn: expected "silu", got "mish"/,
    ],
    [
      (f) => {
        const path = join(f, 'unet', 'config.json');
        writeFileSync(path, JSON.stringify({ ...readJsonFileSync(path), layers_per_block: 2 }));
      },
      /expected layers 2, as .*config\.json has, got 1/,
    ],
  ];
  for (const [change, message] of cases)
    await t.throwsAsync(
      copy(change).then((folder) => open(folder)),
      { instanceOf: UsageError, message },
    );
});

test('a model without a pipeline is opened', async (t) => {
  const { model, diffusion, sampling } = await open(join(pipeline('nested'), 'unet'), {
    timesteps: '40',
  });
  t.deepEqual(model, NETWORK);
  t.is(diffusion.timesteps, 40);
  t.deepEqual(sampling, {});
});

test("a folder's labels are read, and refused if the network does not have them", async (t) => {
  const folder = join(await temporaryFolder(t), 'pipeline');
  cpSync(pipeline('nested'), folder, { recursive: true });
  const index = join(folder, 'model_index.json');
  const { model } = await open(folder);
  const told = { ...model, numClasses: 3 } as ModelConfig;
  const read = (changed: object, of = told) => {
    const { _class_name } = readJsonFileSync(join(pipeline('nested'), 'model_index.json'));
    writeFileSync(index, JSON.stringify({ _class_name, ...changed }));
    return readClassLabels(index, of);
  };
  const id2label = { 1: 'van', 0: 'bus, coach' };
  t.deepEqual(read({ id2label, none_label: 2 }), { names: ['bus, coach', 'van'], none: 2 });
  t.deepEqual(read({ id2label }), { names: ['bus, coach', 'van'], none: null });
  // Of a transformer's pipeline the last label is that of no class.
  const _class_name = 'DiTPipeline';
  t.deepEqual(read({ id2label, _class_name }), { names: ['bus, coach', 'van'], none: 2 });
  t.is(read({}), null);
  t.is(read({ id2label, none_label: 2 }, model), null);
  for (const [changed, message] of [
    [{ id2label: ['a'] }, /model_index\.json: id2label: expected an object of names, got/],
    [{ id2label: { 1: 'a' } }, /id2label: expected names of the labels from 0 to 0, got one of 1$/],
    [{ id2label: { a: 'a' } }, /id2label: expected names of the labels .*, got one of a$/],
    [
      { id2label: { 0: 'a', 1: 'b', 2: 'c', 3: 'd' } },
      /id2label: expected names of the labels from 0 to 2, got one of 3$/,
    ],
    [{ id2label: { 0: 7 } }, /id2label\.0: expected a name, got 7$/],
    [{ id2label: {} }, /id2label: expected names, got none$/],
    [{ id2label, none_label: 3 }, /none_label: expected 2, got 3$/],
    [{ id2label, none_label: 'two' }, /none_label: expected 2, got two$/],
    [
      { id2label: { ...id2label, 2: 'car' }, none_label: 3 },
      /none_label: expected none, since each label has a name, got 3$/,
    ],
  ] as const)
    t.throws(() => read(changed), { instanceOf: UsageError, message });
});
