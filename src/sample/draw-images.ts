/** The sampling loop: batches one after the other, on any sampler. */
import type { Sampler } from '../contracts/sampler.js';
import { requireFinite } from '../diffusion/finite.js';
import { passesOf } from '../diffusion/guidance.js';
import { FLOW_TIMES } from '../diffusion/objective.js';
import { beginsWithPicture, type Redrawing } from '../diffusion/redraw.js';
import { makeTrajectory, type Trajectory } from '../diffusion/sampler.js';
import { makeSchedule, type Schedule } from '../diffusion/schedule.js';
import { stepsInWords } from '../diffusion/steps-in-words.js';
import { Interrupted } from '../errors.js';
import { plural } from '../units.js';
import type { Frame, SampleOptions, SampleResult } from './options.js';

/** Default number of reverse steps between two checks of the signal. */
const STRIDE = 10;

/** Decisions that are made before anything is computed. */
export interface SamplingPlan {
  readonly schedule: Schedule;
  readonly trajectory: Trajectory;
  /** Images drawn at one time. */
  readonly batch: number;
}

interface Drawing
  extends Pick<SampleOptions, 'model' | 'count' | 'frames' | 'redrawing' | 'signal' | 'onEvent'> {
  /** Reverse steps between two checks of the signal; default 10. */
  readonly stride?: number;
}

/** @throws UsageError for a sampler that the model does not support */
export function planSampling({
  diffusion,
  sampling,
  condition,
  redrawing = null,
  count,
}: Pick<
  SampleOptions,
  'diffusion' | 'sampling' | 'condition' | 'redrawing' | 'count'
>): SamplingPlan {
  const schedule = makeSchedule(diffusion);
  const batch = batchFor(count, passesOf(condition));
  return { schedule, trajectory: makeTrajectory(schedule, sampling, redrawing), batch };
}

/** Batches one after the other: Ho et al. (2020), Algorithm 2, or another planned sampler. @throws Interrupted */
export async function drawImages(
  sampler: Sampler,
  { schedule, trajectory }: SamplingPlan,
  options: Drawing,
): Promise<SampleResult> {
  const { count, model, signal, onEvent, stride = STRIDE } = options;
  const steps = trajectory.timesteps.length;
  const batches = Math.ceil(count / sampler.batch);
  onEvent?.({
    kind: 'note',
    text: `${plural(count, 'image')} on ${sampler.description}, ${stepsInWords(trajectory)}`,
  });
  const each = model.size ** 2 * model.channels;
  const images = new Float32Array(count * each);
  const start = beginning(schedule, trajectory, options.redrawing);
  const frames = new Frames(options.frames, trajectory.timesteps, start, each);
  for (let first = 0, done = 0; first < count; first += sampler.batch) {
    await sampler.start(Uint32Array.from({ length: sampler.batch }, (_, i) => first + i));
    frames.keep(0, first, sampler);
    for (let step = 0; step < steps; ) {
      const next = Math.min(steps, step + stride, frames.after(step));
      await sampler.advance(step, next);
      done += next - step;
      step = next;
      frames.keep(step, first, sampler);
      onEvent?.({ kind: 'progress', done, total: batches * steps });
      if (signal?.aborted) throw new Interrupted('interrupted; nothing was written');
    }
    const read = sampler.read();
    images.set(read.subarray(0, Math.min(read.length, images.length - first * each)), first * each);
  }
  requireFinite(images, count);
  return { images, frames: frames.list };
}

/** The timestep of the images before the first step. */
function beginning(
  { objective, timesteps }: Schedule,
  trajectory: Trajectory,
  redrawing: Redrawing | null | undefined,
): number {
  if (redrawing && beginsWithPicture(redrawing)) return trajectory.timesteps[0]!;
  return objective === 'flow' ? FLOW_TIMES : timesteps;
}

/** Images per batch: more would not be faster on the engine, and memory stays small. */
const LARGEST_BATCH = 16;

/** Images drawn at one time, for `count` in all; the `passes` evaluations of each share a batch. */
export const batchFor = (count: number, passes: 1 | 2 = 1): number =>
  Math.ceil(count / Math.ceil((count * passes) / LARGEST_BATCH));

/** Keeps the moments of the trajectory for a film, of the first images. */
class Frames {
  readonly list: { t: number; images: Float32Array }[] & Frame[];
  private readonly moments: number[];
  private readonly images: number;
  private readonly each: number;

  constructor(
    want: SampleOptions['frames'],
    visited: Float64Array,
    timesteps: number,
    each: number,
  ) {
    const steps = visited.length;
    const moments = Math.min(want?.moments ?? 0, steps + 1);
    this.images = want?.images ?? 0;
    this.each = each;
    this.moments = Array.from({ length: moments }, (_, i) =>
      moments === 1 ? steps : Math.round((i * steps) / (moments - 1)),
    );
    this.list = this.moments.map((step) => ({
      t: step === 0 ? timesteps : step === steps ? 0 : visited[step]!,
      images: new Float32Array(this.images * each),
    }));
  }

  /** The first moment after `step`, or infinity. */
  after(step: number): number {
    return this.moments.find((m) => m > step) ?? Number.POSITIVE_INFINITY;
  }

  /** Copies the batch that starts with image `first`, if step is a moment. */
  keep(step: number, first: number, sampler: Sampler): void {
    const at = this.moments.indexOf(step);
    const wanted = Math.min(this.images - first, sampler.batch);
    if (at < 0 || wanted <= 0) return;
    this.list[at]!.images.set(sampler.read().subarray(0, wanted * this.each), first * this.each);
  }
}
