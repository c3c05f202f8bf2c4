import { CounterRandom } from '../diffusion/random.js';
import { readWeights } from '../io/weights.js';
import type { StateDict } from '../network/state.js';
import { drawImages, planSampling } from './draw-images.js';
import { guideInWords, openSampler } from './open-sampler.js';
import type { SampleOptions, SampleResult } from './options.js';
import { RedrawingSampler } from './redrawing-sampler.js';

/** Draws images from a file of weights. @throws UsageError for weights of another model; Interrupted */
export async function sample(options: SampleOptions): Promise<SampleResult> {
  const { weights, guide, notes = [], onEvent } = options;
  // What cannot be drawn is refused before anything is said or read.
  const plan = planSampling(options);
  for (const text of [...notes, ...(guide ? [guideInWords(guide)] : [])])
    onEvent?.({ kind: 'note', text });
  const state = await readWeights(weights, (text) => onEvent?.({ kind: 'note', text }));
  return sampleFrom(state, options, plan);
}

/** Draws images from weights in memory. @throws Interrupted */
export async function sampleFrom(
  state: StateDict,
  options: Omit<SampleOptions, 'weights'>,
  plan = planSampling(options),
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
