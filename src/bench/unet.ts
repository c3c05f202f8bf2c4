/** The U-Net on both devices: a forward pass with running statistics, and a whole training step. */
import type { ModelConfig } from '../config/config.js';
import { DIFFUSION_DEFAULTS } from '../config/diffusion.js';
import type { NetworkDevice } from '../contracts/device.js';
import { openUnet } from '../device/open.js';
import { layerTimes } from '../engine/network/layer-times.js';
import { WasmNetwork } from '../engine/network/wasm-network.js';
import { memoryBandwidth, microKernelPeak } from '../engine/peak.js';
import { startBusy } from './busy.js';
import { type NetworkInputs, unetInputs } from './inputs.js';
import type { Limits } from './limit-shares.js';
import { BATCH, LAYERED, MODELS, PASSES, type Pass, trainingOf } from './models.js';
import type { BenchOptions, NamedModel } from './options.js';
import { openOtherVectors } from './other-vectors.js';
import { ours, variants } from './paths.js';
import { NO_PEERS, openPeers, PAUSE } from './peers.js';
import type { LayerReport, Missing, Result, Work } from './result.js';
import { type Contender, measure } from './rounds.js';
import { type Findings, join, wantsTensorflow } from './suite.js';
import { f32, i64, temporarily, writeTask } from './task.js';
import { CHECKS, unetShape, unetTurn } from './unet-turn.js';

interface Case extends NamedModel {
  readonly what: Pass;
  readonly batch: number;
}

const { timesteps } = DIFFUSION_DEFAULTS;

/** Digests may differ by the f32 error of Winograd's tiles over the depth of the network. */
const TOLERANCE = 1e-3;

function cases({ chosen, batch }: BenchOptions): Case[] {
  if (!chosen && batch === null)
    return PASSES.map(([model, what, batch]) => ({ ...MODELS[model], what, batch }));
  return (['forward', 'train'] as const).map((what) => ({
    ...(chosen ?? MODELS.reference),
    what,
    batch: batch ?? chosen?.recipe?.batch ?? BATCH,
  }));
}

/** Models and batches whose layers are timed: those chosen by flags, else some, in the batch of their first case. */
function layered(options: BenchOptions): Omit<Case, 'what'>[] {
  const all = cases(options);
  if (options.chosen || options.batch !== null) return all.slice(0, 1);
  return LAYERED.map((model) => all.find(({ name }) => name === model)!);
}

export async function benchUnet(options: BenchOptions): Promise<Findings> {
  const all: Findings[] = [];
  for (const one of cases(options)) all.push(await benchCase(one, options));
  const layers: LayerReport[] = [];
  if (options.layers)
    for (const one of layered(options)) layers.push(await benchLayers(one, options));
  return { ...join(all), layers };
}

async function benchCase(one: Case, options: BenchOptions): Promise<Findings> {
  const { what, batch, model } = one;
  const work = { subject: 'unet', what, model: one.name, batch, size: model.size } as const;
  const inputs = unetInputs(model, batch, timesteps, options.seed);
  const missing: Missing[] = [];
  const open: NetworkDevice[] = [];
  return temporarily(async (folder) => {
    const file = options.peers ? await writeUnetTask(folder, model, batch, inputs) : '';
    const task = { file, threads: variants(options)[0]!.threads, network: model.kind };
    let peers = NO_PEERS;
    let other: Awaited<ReturnType<typeof openOtherVectors>> = null;
    try {
      const contenders: Contender[] = [];
      for (const [path, computing] of paths(options, work, missing)) {
        const training = what === 'train';
        const { unet } = await openUnet(path.device!, computing, { ...unetShape(one), training });
        open.push(unet);
        await unet.importState(inputs.state);
        contenders.push({ path, ...unetTurn(unet, what, inputs, trainingOf(one).lr) });
      }
      other = options.only.device === 'tensorflow' ? null : await openOtherVectors(options, one);
      if (other) contenders.splice(1, 0, other.contender);
      if (options.peers) peers = await openPeers(work, task, { repeat: 1, checks: CHECKS[what] });
      const results = await measureBoth(work, [...contenders, ...peers.contenders], options);
      return { results, missing: [...missing, ...peers.missing], versions: peers.versions };
    } finally {
      await peers.close();
      await other?.end();
      for (const unet of open) await unet.dispose();
    }
  });
}

/** Measures in turns and, with `beside`, once more while other processes are busy. */
async function measureBoth(
  work: Work,
  contenders: readonly Contender[],
  { rounds, beside, onNote }: BenchOptions,
): Promise<Result[]> {
  const hasPeers = contenders.some(({ path }) => path.by !== 'haze');
  const how = { rounds, tolerance: TOLERANCE, pause: hasPeers ? PAUSE : 0, onNote };
  const idle = await measure(work, contenders, how);
  if (beside === 0) return idle;
  const end = await startBusy(beside);
  // They were compared before; since then each has trained on for as many steps as its turns had.
  const compared = contenders.map((one) => ({ ...one, check: async () => [] }));
  try {
    return [...idle, ...(await measure({ ...work, beside }, compared, how))];
  } finally {
    await end();
  }
}

/** Haze's paths, each with its computing settings. */
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

/** The weights and the batch, for peers. */
export function writeUnetTask(
  folder: string,
  model: ModelConfig,
  batch: number,
  { state, xt, noise, t }: NetworkInputs,
): Promise<string> {
  const shape = [batch, model.size, model.size, model.channels];
  return writeTask(
    folder,
    { xt: f32(shape, xt), noise: f32(shape, noise), t: i64(t) },
    { model, state },
  );
}

/** Where the engine's time goes, layer by layer. */
async function benchLayers(one: Omit<Case, 'what'>, options: BenchOptions): Promise<LayerReport> {
  const { name, model, batch } = one;
  const [first] = variants(options);
  const { threads, build, wide } = first!;
  const engine = { threads, strict: build === 'strict', wide };
  options.onNote(`unet layers, ${name}, batch ${batch}`);
  const inputs = unetInputs(model, batch, timesteps, options.seed);
  const shape = { ...unetShape(one), ...engine };
  const times = async (training: boolean) => {
    const { network: unet } = WasmNetwork.create({ ...shape, training });
    try {
      await unet.importState(inputs.state);
      if (training) await unet.trainStep(inputs, inputs.noise, trainingOf(one).lr);
      else await unet.predict(inputs, 'running');
      return await layerTimes(unet, training ? 'train' : 'predict', options.rounds);
    } finally {
      await unet.dispose();
    }
  };
  // Upper bounds, so they are measured throughout: the machine's speed may vary over time.
  const bounds: Limits[] = [];
  const bound = async () =>
    bounds.push({
      peak: await microKernelPeak(engine),
      bandwidth: await memoryBandwidth(engine),
    });
  await bound();
  const forward = await times(false);
  await bound();
  const train = await times(true);
  await bound();
  const peak = Math.max(...bounds.map((one) => one.peak));
  const bandwidth = Math.max(...bounds.map((one) => one.bandwidth));
  const limits = { peak, bandwidth };
  return { model: name, batch, size: model.size, threads, build, wide, ...limits, forward, train };
}
