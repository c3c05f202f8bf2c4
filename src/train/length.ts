import type { RunConfig } from '../config/config.js';
import { atStage, stagesOf } from '../config/growth.js';
import { imagesOfStep, ofOneReplica } from '../config/replicas.js';
import { usualSampling } from '../config/sampling.js';
import type { TrainBatch } from '../contracts/trainer.js';
import { drawPositions } from '../diffusion/mixture.js';
import { CounterRandom, PURPOSE } from '../diffusion/random.js';
import { makeSchedule } from '../diffusion/schedule.js';
import { plural, significant } from '../units.js';
import { openTrainer } from './open-trainer.js';
import type { TrainOptions } from './options.js';
import { positionsOf } from './positions.js';
import { COUNT } from './samples.js';
import { freshState } from './start.js';
import { readTeacherWeights } from './teacher-files.js';

/*
 * Converts the length of a run in minutes to steps: from here on the run has that many steps, whatever the machine does.
 */

/** Steps before the clock starts: V8 compiles during them. */
const WARM_UP = 3;
/** Enough for a measurement. */
const ENOUGH = { steps: 20, milliseconds: 5000, least: 3 };

export interface Length {
  readonly steps: number;
  /** For the user. */
  readonly text: string;
}

type Measuring = Pick<TrainOptions, 'out' | 'requireCuda' | 'signal'>;

/**
 * How many steps take this many minutes here, from a few steps of a separate trainer, which leaves nothing behind. Sample grids count
 * by the cost of their passes; checkpoints and held-out losses are not included.
 */
export async function stepsIn(
  minutes: number,
  config: RunConfig,
  options: Measuring,
): Promise<Length> {
  const milliseconds = await measureRun(config, options);
  const steps = stepsAt(milliseconds, minutes, config);
  const text = `length  ${plural(steps, 'step')}, about ${minutes} min at ${significant(milliseconds)} ms per step; --steps ${steps} repeats the run`;
  return { steps, text };
}

/** Number of steps, including their sample grids, that fit into the minutes. */
export function stepsAt(milliseconds: number, minutes: number, config: RunConfig): number {
  const each = milliseconds * (1 + shareOfSamples(config));
  return Math.min(1e9, Math.max(1, Math.floor((minutes * 60_000) / each)));
}

/** Cost of the sample grids per step, in steps: a forward pass is a third of a training step. */
function shareOfSamples(config: RunConfig): number {
  const { training } = config;
  if (training.sampleEvery === 0) return 0;
  return (
    (COUNT * usualSampling(config).steps) / (3 * imagesOfStep(training) * training.sampleEvery)
  );
}

/** Steps of a run for finding the shares of its stages. */
const FINE = 1e6;

/** Mean milliseconds of a step over the stages of the run. One process takes the replicas in turn. */
async function measureRun(config: RunConfig, options: Measuring): Promise<number> {
  const { model, training } = config;
  const one = { ...config, training: ofOneReplica(training) };
  const stages = stagesOf({ model, training: { ...training, epochs: null, steps: FINE } });
  let sum = 0;
  let begin = 0;
  for (const stage of stages) {
    const end = Math.min(FINE, stage.until);
    sum += (end - begin) * training.replicas * (await measureStep(atStage(one, stage), options));
    begin = end;
  }
  return sum / FINE;
}

/** Milliseconds of a step of one replica: the median of a few. */
async function measureStep(
  config: RunConfig,
  { out, requireCuda = false, signal }: Measuring,
): Promise<number> {
  const teacher = await readTeacherWeights({ config, out });
  const schedule = makeSchedule(config.diffusion);
  const { trainer } = await openTrainer(config, schedule, requireCuda, { teacher });
  try {
    await trainer.unet.importState(freshState(config));
    const times: number[] = [];
    const begun = performance.now();
    for (let step = 0; !isEnough(times.length - WARM_UP, performance.now() - begun); step++) {
      signal?.throwIfAborted();
      const start = performance.now();
      await trainer.step(someBatch(config, step));
      times.push(performance.now() - start);
    }
    const counted = times.slice(WARM_UP).sort((a, b) => a - b);
    return counted[Math.floor(counted.length / 2)]!;
  } finally {
    await trainer.dispose();
  }
}

const isEnough = (steps: number, milliseconds: number): boolean =>
  steps >= ENOUGH.least && (steps >= ENOUGH.steps || milliseconds >= ENOUGH.milliseconds);

/** A batch of grey images, or of latents of 0, which take as long to compute as any. */
function someBatch(config: RunConfig, step: number): TrainBatch {
  const { model, training, data, seed } = config;
  const images = imagesOfStep(training);
  const stream = { purpose: PURPOSE.timestep, index: step };
  const values = images * model.size ** 2 * model.channels;
  return {
    ...(data.autoencoder === undefined
      ? { pixels: new Uint8Array(values).fill(128) }
      : { latents: new Float32Array(values) }),
    step,
    t: drawPositions(new CounterRandom(seed), stream, images, positionsOf(config)),
    ...(data.classes && { labels: new Int32Array(images) }),
    lr: training.lr,
  };
}
