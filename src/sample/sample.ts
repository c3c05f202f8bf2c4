import { CounterRandom } from '../diffusion/random.js';
import { readWeights } from '../io/weights.js';
import type { StateDict } from '../network/state.js';
import { checkDecoder, decodeSamples, latentRedrawing, withAutoencoder } from './decode.js';
import { drawImages, planSampling, type SamplingPlan } from './draw-images.js';
import { guideInWords, openSampler } from './open-sampler.js';
import type { SampleOptions, SampleResult } from './options.js';
import { RedrawingSampler } from './redrawing-sampler.js';

/** Draws images from a file of weights. @throws UsageError for weights of another model; Interrupted */
export async function sample(options: SampleOptions): Promise<SampleResult> {
  const { weights, autoencoder, guide, notes = [], onEvent } = options;
  // What cannot be drawn is refused before anything is said or read.
  const plan = planSampling(options);
  for (const text of [...notes, ...(guide ? [guideInWords(guide)] : [])])
    onEvent?.({ kind: 'note', text });
  const state = await readWeights(weights, (text) => onEvent?.({ kind: 'note', text }));
  if (autoencoder) await checkDecoder(autoencoder);
  return sampleFrom(state, options, plan);
}

type Options = Omit<SampleOptions, 'weights'>;

/** Draws images from weights in memory. @throws Interrupted */
export async function sampleFrom(
  state: StateDict,
  options: Options,
  plan = planSampling(options),
): Promise<SampleResult> {
  const { autoencoder, redrawing } = options;
  if (!autoencoder) return drawFrom(state, options, plan);
  // It is not open while latents are drawn, whose network may need the memory.
  const latents =
    redrawing &&
    (await withAutoencoder(autoencoder, options, (open) => latentRedrawing(redrawing, open)));
  const drawn = await drawFrom(state, { ...options, redrawing: latents ?? null }, plan);
  return withAutoencoder(autoencoder, options, (open) => decodeSamples(drawn, open, options));
}

/** Draws the network's images, which may be latents. */
async function drawFrom(
  state: StateDict,
  options: Options,
  plan: SamplingPlan,
): Promise<SampleResult> {
  const { trajectory, schedule, batch } = plan;
  const { redrawing, seed } = options;
  const opened = await openSampler(options, trajectory, schedule, batch, state);
  const sampler = redrawing
    ? new RedrawingSampler(opened, redrawing, trajectory, new CounterRandom(seed))
    : opened;
  try {
    return await drawImages(sampler, plan, options);
  } finally {
    await sampler.dispose();
  }
}
