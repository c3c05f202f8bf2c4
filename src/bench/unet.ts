/** The U-Net on both devices: a forward pass with running statistics, and a whole training step. */
import type { ModelConfig } from '../config/config.js';
import { DIFFUSION_DEFAULTS } from '../config/diffusion.js';
import { PRESETS } from '../config/presets.js';
import type { NetworkDevice } from '../contracts/device.js';
import { openUnet } from '../device/open.js';
import { layerTimes } from '../engine/network/layer-times.js';
import { WasmNetwork } from '../engine/network/wasm-network.js';
import { microKernelPeak } from '../engine/peak.js';
import { type NetworkInputs, unetInputs } from './inputs.js';
import type { BenchOptions, NamedModel } from './options.js';
import { ours, variants } from './paths.js';
import { NO_PEERS, openPeers, PAUSE } from './peers.js';
import type { LayerReport, Missing, Path, Work } from './result.js';
import { type Contender, measure } from './rounds.js';
import { digest } from './statistics.js';
import { type Findings, join, wantsTensorflow } from './suite.js';
import { f32, i64, temporarily, writeTask } from './task.js';

type What = 'forward' | 'train';

interface Case extends NamedModel {
  readonly what: What;
  readonly batch: number;
}

/** The batch of a model that flags ask for. */
const BATCH = 8;

const { timesteps } = DIFFUSION_DEFAULTS;

/** Digests may differ by what Winograd's tiles cost, in f32, over the depth of the network. */
const TOLERANCE = 1e-3;

/** Without flags: the reference in batches and one picture at a time, and training the smallest preset. */
function cases({ chosen, batch }: BenchOptions): Case[] {
  const reference = { name: 'reference', model: PRESETS.reference.model };
  const tiny = { name: 'tiny', model: PRESETS.tiny.model };
  if (chosen || batch !== null) {
    const model = chosen ?? reference;
    return (['forward', 'train'] as const).map((what) => ({
      ...model,
      what,
      batch: batch ?? BATCH,
    }));
  }
  return [
    { ...reference, what: 'forward', batch: BATCH },
    { ...reference, what: 'forward', batch: 1 },
    { ...reference, what: 'train', batch: BATCH },
    { ...tiny, what: 'train', batch: PRESETS.tiny.batch },
  ];
}

export async function benchUnet(options: BenchOptions): Promise<Findings> {
  const all: Findings[] = [];
  for (const one of cases(options)) all.push(await benchCase(one, options));
  const layers = options.layers ? await benchLayers(options) : undefined;
  return { ...join(all), ...(layers && { layers }) };
}

async function benchCase(one: Case, options: BenchOptions): Promise<Findings> {
  const { what, batch, model } = one;
  const work = { subject: 'unet', what, model: one.name, batch, size: model.size } as const;
  const inputs = unetInputs(model, batch, timesteps, options.seed);
  const missing: Missing[] = [];
  const open: NetworkDevice[] = [];
  return temporarily(async (folder) => {
    const file = options.peers ? await writeUnetTask(folder, model, batch, inputs) : '';
    const task = { file, threads: variants(options)[0]!.threads };
    let peers = NO_PEERS;
    try {
      const contenders: Contender[] = [];
      for (const [path, computing] of paths(options, work, missing)) {
        const shape = { architecture: model, size: model.size, batch, timesteps };
        const training = what === 'train';
        const { unet } = await openUnet(path.device!, computing, { ...shape, training });
        open.push(unet);
        await unet.importState(inputs.state);
        contenders.push(contender(path, unet, what, inputs));
      }
      if (options.peers) peers = await openPeers(work, task, { repeat: 1 });
      const results = await measure(work, [...contenders, ...peers.contenders], {
        rounds: options.rounds,
        tolerance: TOLERANCE,
        pause: peers.contenders.length > 0 ? PAUSE : 0,
        onNote: options.onNote,
      });
      return { results, missing: [...missing, ...peers.missing], versions: peers.versions };
    } finally {
      await peers.close();
      for (const unet of open) await unet.dispose();
    }
  });
}

/** Haze's paths, and the computing settings of each. */
function paths(options: BenchOptions, work: Work, missing: Missing[]) {
  const { computing, only } = options;
  const wasm = variants(options).map(
    (variant) =>
      [
        ours({ device: 'wasm', arithmetic: null, ...variant }),
        { ...computing, threads: variant.threads, strict: variant.build === 'strict' },
      ] as const,
  );
  const list = only.device === 'tensorflow' ? [] : wasm;
  if (!wantsTensorflow(only.device, work, missing)) return list;
  const path = ours({ device: 'tensorflow', arithmetic: null, build: null, threads: null });
  return [...list, [path, computing] as const];
}

function contender(path: Path, unet: NetworkDevice, what: What, inputs: NetworkInputs): Contender {
  const work =
    what === 'forward'
      ? async () => unet.predict(inputs, 'running')
      : async () => [await unet.trainStep(inputs, inputs.noise, 1e-3)];
  return {
    path,
    check: async () => {
      const result = await work();
      // A loss is one number, of which no mean has to be taken.
      return what === 'train' ? Array.from(result) : digest(result);
    },
    turn: async () => {
      const begun = performance.now();
      await work();
      return performance.now() - begun;
    },
  };
}

/** The weights and batch, for peers. */
export function writeUnetTask(
  folder: string,
  model: ModelConfig,
  batch: number,
  { state, xt, noise, t }: NetworkInputs,
): Promise<string> {
  const shape = [batch, model.size, model.size, model.channels];
  return writeTask(folder, { xt: f32(shape, xt), noise: f32(shape, noise), t: i64(t) }, state);
}

/** Where the engine's time goes, layer by layer, of the model that flags ask for. */
async function benchLayers(options: BenchOptions): Promise<LayerReport> {
  const { name, model, what: _, batch } = cases(options)[0]!;
  const [first] = variants(options);
  const { threads, build } = first!;
  const strict = build === 'strict';
  options.onNote(`unet layers, ${name}, batch ${batch}`);
  const inputs = unetInputs(model, batch, timesteps, options.seed);
  const shape = { architecture: model, size: model.size, batch, timesteps, threads, strict };
  const times = async (training: boolean) => {
    const { network: unet } = WasmNetwork.create({ ...shape, training });
    try {
      await unet.importState(inputs.state);
      if (training) await unet.trainStep(inputs, inputs.noise, 1e-3);
      else await unet.predict(inputs, 'running');
      return await layerTimes(unet, training ? 'train' : 'predict', options.rounds);
    } finally {
      await unet.dispose();
    }
  };
  // The peak is a bound, so it is looked for all along: the machine may be slower at one time than at another.
  const peaks = [await microKernelPeak(threads, strict)];
  const forward = await times(false);
  peaks.push(await microKernelPeak(threads, strict));
  const train = await times(true);
  peaks.push(await microKernelPeak(threads, strict));
  const peak = Math.max(...peaks);
  return { model: name, batch, size: model.size, threads, build, peak, forward, train };
}
