/** Draws images of a model on a website: the same code as `haze sample`, with a page's workers. */

import { readGuided } from '../config/condition.js';
import { readCount, readSeed } from '../config/drawing.js';
import { JsonObject } from '../config/json.js';
import { type PictureShape, pictureShape } from '../config/picture-shape.js';
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
import { decodeEach } from '../sample/decode-each.js';
import { drawImages, planSampling, type SamplingPlan } from '../sample/draw-images.js';
import { toImages } from '../sample/images.js';
import { SplitSampler } from '../sample/split-sampler.js';
import { WasmSampler } from '../wasm/wasm-sampler.js';
import { openDecoder } from './decoder.js';
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
  const { model, autoencoder } = opened.site;
  const asked = read(opened, settings);
  const decoder = openDecoder(opened, asked.workers);
  const decodings = decoder ? asked.count : 0;
  let done = 0;
  let total = 0;
  const onStep = (steps: number, ofSteps: number) => {
    done = steps;
    total = ofSteps + decodings;
    hooks.onProgress(done, total);
  };
  let images = await drawOwn(opened, asked, { ...hooks, onProgress: onStep });
  if (decoder) {
    // It takes its memory now that the network has given it back.
    const onDecoded = () => hooks.onProgress(++done, total);
    try {
      images = await decodeEach(images, decoder, { signal: hooks.signal, onDecoded });
    } finally {
      await decoder.dispose();
    }
  }
  return drawn(images, pictureShape(model, autoencoder), asked.condition);
}

/** The network's images, which may be latents. */
async function drawOwn(
  opened: OpenSite,
  asked: Asked,
  { signal, onProgress }: Hooks,
): Promise<Float32Array<ArrayBuffer>> {
  const { model } = opened.site;
  const sampler = await openSampler(opened, asked);
  try {
    const { images } = await drawImages(sampler, asked.plan, {
      ...{ model, count: asked.count, frames: null, stride: 1, signal },
      onEvent: (event) => {
        if (event.kind === 'progress') onProgress(event.done, event.total);
      },
    });
    return images as Float32Array<ArrayBuffer>;
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
  shape: PictureShape,
  condition: Condition | null,
): Drawn {
  const bytes = inBytes(images, shape);
  const rows = inClassRows(bytes, condition);
  const { data, width, height } = grid(rows.images, rows.layout);
  return {
    ...{ images, count: bytes.count, ...shape },
    pixels: bytes.data,
    grid: { data: data as Uint8Array<ArrayBuffer>, width, height },
  };
}

/** One image after the other: the kernels of single calls have little memory in a browser, and pictures of latents may be large. */
function inBytes(images: Float32Array, shape: PictureShape) {
  const each = shape.size ** 2 * shape.channels;
  const count = images.length / each;
  const data = new Uint8Array(images.length);
  for (let k = 0; k < count; k++)
    data.set(toImages(images.subarray(k * each, (k + 1) * each), shape).data, k * each);
  return { data, count, height: shape.size, width: shape.size, channels: shape.channels };
}
