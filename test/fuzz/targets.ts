/** The readers of files, each with sound files to begin with. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { strToU8, zipSync } from 'fflate';
import sharp from 'sharp';
import { readResults } from '../../src/bench/compare.js';
import type { ModelConfig } from '../../src/config/config.js';
import { readNetworkConfig } from '../../src/config/model.js';
import { completeModel } from '../../src/config/network-settings.js';
import { readRunConfig } from '../../src/config/read.js';
import { readScheduler } from '../../src/config/scheduler.js';
import { parseSite } from '../../src/config/site.js';
import { decode } from '../../src/data/decode.js';
import { openSource } from '../../src/data/source.js';
import { CounterRandom } from '../../src/diffusion/random.js';
import { headerLine, readManifest } from '../../src/generate/manifest.js';
import { readHalf } from '../../src/io/autoencoder.js';
import { readState } from '../../src/io/checkpoint.js';
import { fileKind } from '../../src/io/file-kind.js';
import { readMetrics } from '../../src/io/metrics.js';
import { parseNote } from '../../src/io/notes.js';
import { readOptimizer } from '../../src/io/optimizer-file.js';
import { findPipeline } from '../../src/io/pipeline.js';
import { readTensors } from '../../src/io/read-tensors.js';
import { readJsonFileSync } from '../../src/io/run.js';
import { writeSafetensors } from '../../src/io/safetensors.js';
import { readStatistics } from '../../src/io/statistics-file.js';
import { cutBackEvents } from '../../src/io/tensorboard/events.js';
import { record } from '../../src/io/tensorboard/records.js';
import { readWeights } from '../../src/io/weights.js';
import {
  buildDecoder,
  buildEncoder,
  latentFactor,
  readAutoencoderConfig,
} from '../../src/network/autoencoder.js';
import { toDiffusers } from '../../src/network/diffusers-config.js';
import type { Graph } from '../../src/network/graph.js';
import { initialState } from '../../src/network/initial-state.js';
import { buildNetwork, checkNetwork } from '../../src/network/network.js';
import { stateShapes } from '../../src/network/parameters.js';
import { networkFromShapes } from '../../src/network/recognise.js';
import { parseJob } from '../../src/queue/generate-job.js';
import { AUTOENCODER_FIXTURES, readAutoencoderFixture } from '../helpers/autoencoder-fixture.js';
import { fixturePath } from '../helpers/cli.js';
import { npy } from '../helpers/npy.js';
import { tinyRun } from '../helpers/run.js';
import { FROM_PYTHON, file as safetensors } from '../helpers/safetensors-bytes.js';
import { tiff } from '../helpers/tiff.js';
import {
  called,
  dictionary,
  global,
  pickle,
  tensor,
  text,
  torchZip,
  tuple,
  whole,
} from '../helpers/torch-bytes.js';

export interface Target {
  readonly name: string;
  /** The name that the file has in the folder of a try. */
  readonly file: string;
  readonly seeds: readonly Uint8Array[];
  /** What stands around the damaged bytes, for formats that pack others; the bytes themselves unless it is given. */
  readonly around?: (bytes: Buffer) => Uint8Array;
  /** Reads the file with all that a program reads of it. @throws what the reader throws */
  read(path: string): Promise<unknown>;
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const lines = (...values: unknown[]): Buffer =>
  Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
const fixture = (name: string): Promise<Buffer> => readFile(fixturePath(name));

/** All of a source of images: its classes, where it has any, and what `readImages` reads. */
async function readSource(path: string): Promise<void> {
  await (await openSource(path, 1)).classes?.();
  await readImages(path);
}

/** The fingerprint of a source, its first and its last image. */
async function readImages(path: string): Promise<void> {
  const source = await openSource(path, 1);
  await source.fingerprint();
  for (const i of new Set([0, source.count - 1]))
    await decode(source.item(i), { size: 8, channels: 3, fit: 'crop' }).catch(ofTheImage);
}

/** What is wrong with one image is a plain error, of which the loader makes a line. */
function ofTheImage(error: unknown): void {
  if (!(error instanceof Error) || error.constructor !== Error) throw error;
}

async function readImage(path: string): Promise<void> {
  fileKind(await readFile(path));
  await decode({ kind: 'file', path }, { size: 8, channels: 3, fit: 'squash' }).catch(ofTheImage);
}

/** Small pictures of each kind that is decoded. */
async function pictures(): Promise<Buffer[]> {
  const raw = { width: 12, height: 10, channels: 3 } as const;
  const pixels = Uint8Array.from({ length: 360 }, (_, i) => (i * 7) % 256);
  const picture = () => sharp(pixels, { raw });
  const samples = pixels.subarray(0, 48);
  return [
    await picture().png().toBuffer(),
    await picture().jpeg().toBuffer(),
    await picture().jpeg({ progressive: true }).withMetadata({ orientation: 6 }).toBuffer(),
    await picture().gif().toBuffer(),
    await picture().webp().toBuffer(),
    await picture().tiff({ compression: 'none' }).toBuffer(),
    tiff({ width: 4, height: 4, samples, photometric: 2 }),
    tiff({ width: 4, height: 3, samples, photometric: 2, extra: [0] }),
    tiff({
      width: 4,
      height: 4,
      samples: new Float32Array(16).fill(0.5),
      photometric: 1,
      format: 3,
    }),
  ];
}

/** Images [2, 4, 4] as IDX, and their labels. */
const IDX = Buffer.concat([
  Buffer.from('00000803000000020000000400000004', 'hex'),
  Buffer.alloc(32, 9),
]);
const LABELS = Buffer.from('00000801000000020001', 'hex');

/** Two records of CIFAR-10. */
const CIFAR = Buffer.concat([3, 5].map((label) => Buffer.alloc(3073, label)));

const IMAGES = npy([2, 4, 4, 3], '|u1', Buffer.alloc(96, 7));
const packed = (level: 0 | 6) => (bytes: Buffer) => zipSync({ 'arr_0.npy': bytes }, { level });

/** A safetensors around a header, with as many bytes as the tensors of the seed have. */
const headed = (bytes: Buffer) => safetensors(bytes.toString('latin1'), 24);

const TENSORS = dictionary({
  'a.weight': tensor({ shape: [2, 2], strides: [2, 1] }),
  b: tuple(tensor({ shape: [2], strides: [1], offset: 1 }), whole(3)),
  c: called(
    global('collections', 'OrderedDict'),
    Buffer.concat([
      Buffer.from(']('),
      tuple(text('d'), tensor({ shape: [1], strides: [1] })),
      Buffer.from('e'),
    ]),
  ),
});

const SCHEDULERS = [
  { _class_name: 'DPMSolverMultistepScheduler', algorithm_type: 'dpmsolver++', solver_order: 2 },
  {
    _class_name: 'UniPCMultistepScheduler',
    solver_order: 2,
    solver_type: 'bh2',
    thresholding: true,
  },
  { _class_name: 'FlowMatchEulerDiscreteScheduler', num_train_timesteps: 1000, shift: 3 },
];

const RUN = tinyRun('photos', { ema: [0.9] });
const STEP = { step: 1, epoch: 0, loss: 0.5, lr: 1e-3, imagesPerSecond: 9, ms: { unet: 3 } };
const MAKER = { build: 'strict', version: '0.1.0' };
const SITE = {
  version: 1,
  model: RUN.model,
  diffusion: RUN.diffusion,
  sampling: {},
  weights: 'weights.safetensors',
};

const DIT = completeModel({
  kind: 'dit',
  size: 8,
  widths: [8],
  depth: 2,
  numClasses: 3,
}) as Extract<ModelConfig, { kind: 'dit' }>;

const SHAPES = [
  RUN.model,
  completeModel({
    ...{ kind: 'unet2d', size: 16, widths: [8, 16], channels: 1 },
    ...{ layers: 1, groups: 4, headDim: 8 },
  }),
  DIT,
].map((model) => json(Object.fromEntries(stateShapes(buildNetwork(model)))));

/** The network of shapes by name, such as a header that was checked has. */
function readShapes(content: string): void {
  const isCount = (n: unknown) => Number.isSafeInteger(n) && Number(n) >= 0;
  const shapes = Object.entries((parsed(content) ?? {}) as object).filter(
    (entry): entry is [string, number[]] => Array.isArray(entry[1]) && entry[1].every(isCount),
  );
  checkNetwork(networkFromShapes(new Map(shapes)));
}

const statistics = (n: number): Uint8Array => {
  const array = (values: number[], shape: number[]) =>
    npy(shape, '<f8', new Uint8Array(Float64Array.from(values).buffer));
  const sigma = Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
  return zipSync(
    { 'mu.npy': array(Array(n).fill(1), [n]), 'sigma.npy': array(sigma, [n, n]) },
    { level: 0 },
  );
};

/** A small network's file of weights, without writing it anywhere that stays. */
async function weights(folder: string, graph: Graph): Promise<Buffer> {
  const path = join(folder, 'weights.safetensors');
  await mkdir(folder, { recursive: true });
  await writeSafetensors(path, initialState(graph, new CounterRandom(1)));
  return readFile(path);
}

const AUTOENCODER = readAutoencoderConfig('config.json', {
  ...{ _class_name: 'AutoencoderTiny', encoder_block_out_channels: [2, 2] },
  ...{ decoder_block_out_channels: [2, 2], num_encoder_blocks: [0, 0], num_decoder_blocks: [0, 1] },
});

/** Both halves of an autoencoder, for its smallest pictures. */
async function readAutoencoder(path: string): Promise<void> {
  const config = readAutoencoderConfig(path, readJsonFileSync(path));
  buildEncoder(config, latentFactor(config));
  buildDecoder(config, 1);
}

/** All targets. `folder` is one of the caller's own. */
export async function targets(folder: string): Promise<Target[]> {
  const { size: _, ...network } = { ...RUN.model, widths: [4, 8], timeDim: 4 };
  const model = await weights(folder, buildNetwork(network));
  const decoder = buildDecoder(AUTOENCODER, 1);
  const autoencoders = await Promise.all(AUTOENCODER_FIXTURES.map(readAutoencoderFixture));
  const header = FROM_PYTHON.subarray(8, FROM_PYTHON.length - 24);
  const torch = await Promise.all(
    ['tensors.pt', 'tensors_legacy.pt', 'checkpoint.pt'].map((name) => fixture(`torch/${name}`)),
  );
  const moments = join(folder, 'moments.safetensors');
  const moment = { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) } as const;
  await writeSafetensors(
    moments,
    new Map([
      ['m/a', moment],
      ['v/a', moment],
    ]),
    { step: '3' },
  );
  const configs = [
    ...(await Promise.all(
      ['nested/scheduler', 'flat'].map((name) =>
        fixture(`pipelines/${name}/scheduler_config.json`),
      ),
    )),
    ...SCHEDULERS.map(json),
  ];
  return [
    { name: 'safetensors', file: 'a.safetensors', seeds: [FROM_PYTHON], read: readTensors },
    {
      name: 'safetensors-header',
      file: 'a.safetensors',
      seeds: [header],
      around: headed,
      read: readTensors,
    },
    { name: 'torch', file: 'a.pt', seeds: torch, read: readTensors },
    {
      name: 'torch-pickle',
      file: 'a.pt',
      seeds: [pickle(TENSORS)],
      around: torchZip,
      read: readTensors,
    },
    { name: 'weights', file: 'a.safetensors', seeds: [model], read: readWeights },
    {
      name: 'autoencoder-weights',
      file: 'a.safetensors',
      seeds: [await weights(folder, decoder)],
      read: (path) => readHalf(path, 'decoder', decoder),
    },
    {
      name: 'autoencoder-config',
      file: 'config.json',
      seeds: autoencoders.map((autoencoder) => json(autoencoder.json)),
      read: readAutoencoder,
    },
    {
      name: 'shapes',
      file: 'a.json',
      seeds: SHAPES,
      read: async (path) => readShapes(await readFile(path, 'utf8')),
    },
    {
      name: 'optimizer',
      file: 'a.safetensors',
      seeds: [await readFile(moments)],
      read: (path) => readOptimizer(path, 3),
    },
    { name: 'npy', file: 'a.npy', seeds: [IMAGES], read: readSource },
    {
      name: 'npz',
      file: 'a.npz',
      seeds: [
        packed(0)(IMAGES),
        packed(6)(IMAGES),
        await fixture('evaluation/images_compressed.npz'),
      ],
      read: readSource,
    },
    { name: 'npz-stored', file: 'a.npz', seeds: [IMAGES], around: packed(0), read: readSource },
    { name: 'npz-deflated', file: 'a.npz', seeds: [IMAGES], around: packed(6), read: readSource },
    { name: 'statistics', file: 'a.npz', seeds: [statistics(3)], read: readStatistics },
    { name: 'idx', file: 'a.idx', seeds: [IDX], read: readImages },
    { name: 'idx-gzip', file: 'a.idx.gz', seeds: [gzipSync(IDX)], read: readImages },
    { name: 'idx-in-gzip', file: 'a.idx.gz', seeds: [IDX], around: gzipSync, read: readImages },
    {
      ...{ name: 'idx-labels', file: 'a-labels', seeds: [LABELS, gzipSync(LABELS)] },
      read: async (path) => {
        const images = join(dirname(path), 'a-images');
        await writeFile(images, IDX);
        await readSource(images);
      },
    },
    { name: 'cifar', file: 'a.bin', seeds: [CIFAR], read: readSource },
    { name: 'image', file: 'a.png', seeds: await pictures(), read: readImage },
    { name: 'config', file: 'config.json', seeds: [json(RUN)], read: readRunConfig },
    {
      name: 'network-config',
      file: 'config.json',
      seeds: [
        await fixture('ddpm-cifar10-32.json'),
        await fixture('pipelines/nested/unet/config.json'),
        json(toDiffusers(DIT, DIT.size)),
      ],
      read: async (path) => readNetworkConfig(path),
    },
    {
      name: 'scheduler-config',
      file: 'scheduler_config.json',
      seeds: configs,
      read: async (path) => readScheduler(path),
    },
    {
      name: 'model-index',
      file: 'model_index.json',
      seeds: [await fixture('pipelines/nested/model_index.json')],
      read: async (path) => findPipeline(dirname(path)),
    },
    {
      name: 'state',
      file: 'state.json',
      seeds: [json({ step: 3, epoch: 0, build: 'strict' })],
      read: (path) => readState(dirname(path)),
    },
    {
      name: 'metrics',
      file: 'metrics.jsonl',
      seeds: [lines(STEP, { ...STEP, step: 2 }, { step: 2, epoch: 0, heldOutLoss: 0.4 })],
      read: readMetrics,
    },
    {
      ...{
        name: 'notes',
        file: 'notes.jsonl',
        seeds: [lines({ step: 1, kind: 'note', text: 'a' })],
      },
      read: async (path) => parseNote(await readFile(path, 'utf8')),
    },
    {
      name: 'manifest',
      file: 'manifest-1-of-1.jsonl',
      seeds: [
        lines(
          headerLine({ seed: 1 } as never, MAKER as never),
          { index: 0, seed: 1, file: '000000.png', sha256: 'f'.repeat(64) },
          { file: 'images.npz', images: 1, sha256: 'f'.repeat(64) },
        ),
      ],
      read: async (path) => {
        for await (const line of readManifest(path)) JSON.stringify(line);
      },
    },
    {
      name: 'events',
      file: 'events.out',
      seeds: [Buffer.concat([record(strToU8('\x10\x01')), record(strToU8('\x10\x05'))])],
      read: (path) => cutBackEvents(path, 3),
    },
    {
      name: 'benchmarks',
      file: 'a.json',
      seeds: [
        json({
          results: [{ subject: 'unet', what: 'forward', by: 'haze', ms: 1, spread: [1, 2] }],
        }),
      ],
      read: (path) => readResults(path),
    },
    {
      name: 'site',
      file: 'model.json',
      seeds: [json(SITE)],
      read: async (path) => parseSite('model.json', parsed(await readFile(path, 'utf8'))),
    },
    {
      name: 'job',
      file: 'job.json',
      seeds: [json({ build: 'a', recipe: { ...RUN.model, batch: 2 }, images: [0, 1] })],
      read: async (path) => parseJob(parsed(await readFile(path, 'utf8'))),
    },
  ];
}

/** JSON that another reader has parsed; what is none never comes to ours. */
function parsed(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return {};
  }
}
