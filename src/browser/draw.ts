/** Draws images of a model on a website: the same code as `haze sample`, with a page's workers. */

import { readGuided } from '../config/condition.js';
import { readCount, readSeed } from '../config/drawing.js';
import { JsonObject } from '../config/json.js';
import { readSampling } from '../config/sampling.js';
import { conditionalOf } from '../config/site.js';
import type { Sampler } from '../contracts/sampler.js';
import { type Condition, passesOf } from '../diffusion/guidance.js';
import { CounterRandom } from '../diffusion/random.js';
import { sharedArithmetic } from '../engine/arithmetic.js';
import { MAX_WORKERS } from '../engine/control.js';
import { canShare, processors } from '../engine/host/browser-scope.js';
import { WasmNetwork } from '../engine/network/wasm-network.js';
import { UsageError } from '../errors.js';
import { grid } from '../io/grid.js';
import { inClassRows, MOST_OF_CLASSES, usualCount } from '../sample/class-rows.js';
import { drawImages, planSampling, type SamplingPlan } from '../sample/draw-images.js';
import { toImages } from '../sample/images.js';
import { SplitSampler } from '../sample/split-sampler.js';
import { WasmSampler } from '../wasm/wasm-sampler.js';
import type { OpenSite } from './open-site.js';
import type { Drawn } from './protocol.js';

/** Callbacks while images are drawn. */
export interface Hooks {
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

/** The requested settings, completed by the model's defaults. */
interface Asked {
  readonly plan: SamplingPlan;
  readonly norm: 'running' | 'batch';
  readonly condition: Condition | null;
  /** W of the guide; null if it does not guide. */
  readonly guidance: number | null;
  readonly count: number;
  readonly seed: number;
  readonly workers: number;
}

/** @throws UsageError for invalid settings; EngineError for too little memory; Interrupted */
export async function draw(opened: OpenSite, settings: object, hooks: Hooks): Promise<Drawn> {
  const { model } = opened.site;
  const asked = read(opened, settings);
  const { plan, count, condition } = asked;
  const sampler = await openSampler(opened, asked);
  try {
    const { images } = await drawImages(sampler, plan, {
      ...{ model, count, frames: null, stride: 1, signal: hooks.signal },
      onEvent: (event) => {
        if (event.kind === 'progress') hooks.onProgress(event.done, event.total);
      },
    });
    return drawn(images as Float32Array<ArrayBuffer>, opened, condition);
  } finally {
    await sampler.dispose();
  }
}

function read({ site, guide }: OpenSite, settings: object): Asked {
  const source = new JsonObject('draw', settings, 'all');
  const of = conditionalOf(site);
  const { condition, guidance } = readGuided(
    source,
    'the model',
    of,
    guide !== null,
    site.guide?.guidance,
  );
  const sampling = readSampling(source, site.diffusion, site.sampling);
  const count = readCount(source) ?? usualCount(condition, MOST_OF_CLASSES);
  const asked = {
    plan: planSampling({ diffusion: site.diffusion, sampling, condition, count }),
    ...{ condition, guidance, count, norm: sampling.norm },
    seed: readSeed(source) ?? 0,
    workers: readWorkers(source),
  };
  source.finish();
  return asked;
}

function readWorkers(source: JsonObject): number {
  const workers = source.whole('workers', { min: 1, max: MAX_WORKERS }) ?? processors();
  if (workers > 1 && !canShare())
    throw new UsageError(
      `${source.where('workers')}: expected 1, since the page is not cross-origin isolated, got ${workers}`,
    );
  return workers;
}

/** Opens it like `haze sample`: as one program, unless a guide needs a second network. */
async function openSampler(
  { site, weights, guide }: OpenSite,
  { plan, norm, condition, guidance, seed, workers: threads }: Asked,
): Promise<Sampler> {
  const { model } = site;
  const { trajectory, batch, schedule } = plan;
  const shape = { architecture: model, size: model.size, timesteps: schedule.timesteps, threads };
  const reverse = { trajectory, norm, condition };
  if (!guide || !site.guide || guidance === null) {
    const sampler = WasmSampler.create({ ...shape, batch, ...reverse, seed });
    await sampler.unet.importState(weights);
    return sampler;
  }
  const open = { ...shape, training: false };
  const { network: unet } = WasmNetwork.create({ ...open, batch: batch * passesOf(condition) });
  const other = WasmNetwork.create({ ...open, architecture: site.guide.model, batch }).network;
  await unet.importState(weights);
  await other.importState(guide);
  return new SplitSampler({
    ...{ unet, arithmetic: sharedArithmetic(), ...reverse },
    guide: { unet: other, guidance },
    random: new CounterRandom(seed),
    each: model.size ** 2 * model.channels,
  });
}

function drawn(
  images: Float32Array<ArrayBuffer>,
  { site: { model } }: OpenSite,
  condition: Condition | null,
): Drawn {
  const bytes = toImages(images, model);
  const rows = inClassRows(bytes, condition);
  const { data, width, height } = grid(rows.images, rows.layout);
  const { size, channels } = model;
  return {
    ...{ images, count: bytes.count, size, channels },
    pixels: bytes.data as Uint8Array<ArrayBuffer>,
    grid: { data: data as Uint8Array<ArrayBuffer>, width, height },
  };
}
