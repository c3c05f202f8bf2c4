/** Runs of replicas, and a plain reference of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunConfig } from '../../src/config/config.js';
import { completeModel } from '../../src/config/network-settings.js';
import { imagesOfStep, ofOneReplica } from '../../src/config/replicas.js';
import type { OptimizerState } from '../../src/contracts/device.js';
import { partsOf } from '../../src/contracts/parts.js';
import { BatchPlan } from '../../src/data/batches.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { readMetrics } from '../../src/io/metrics.js';
import type { StateDict, Tensor } from '../../src/network/state.js';
import { learningRate } from '../../src/train/learning-rate.js';
import { openTrainer } from '../../src/train/open-trainer.js';
import type { TrainOptions } from '../../src/train/options.js';
import { freshState } from '../../src/train/start.js';
import { tinyRun } from './run.js';

/** A GroupNorm network with dropout; the other one has BatchNorm. */
const unet2d = completeModel({
  ...{ kind: 'unet2d', size: 16, widths: [8, 16], channels: 1, layers: 1, dropout: 0.2 },
  ...{ groups: 4, headDim: 8 },
});

export type Network = 'simple' | 'unet2d';

/** Three replicas of batches of 2 in rounds of 2 steps, 5 steps in all, with an average. */
export function replicated(
  source: string,
  network: Network,
  change: Partial<RunConfig['training']> = {},
): RunConfig {
  const run = tinyRun(source, {
    ...{ batch: 2, steps: 5, lr: 5e-3, warmup: 2, decay: 'cosine', ema: [0.9] },
    ...{ replicas: 3, syncEvery: 2, outerLr: 0.7, outerMomentum: 0.9 },
    ...change,
  });
  return network === 'simple' ? run : { ...run, model: unet2d };
}

/** A file of a checkpoint. */
export const fileOf = ({ out }: Pick<TrainOptions, 'out'>, step: number, name: string): Buffer =>
  readFileSync(join(out, 'checkpoints', `step-${step}`, `${name}.safetensors`));

/** What a checkpoint of `replicated` holds between rounds. */
export const FILES = ['model', 'ema-0.9', 'optimizer', 'optimizer-2', 'optimizer-3', 'outer'];

/** The lines of a run's log, without how long anything took. */
export const logOf = async ({ out }: Pick<TrainOptions, 'out'>) =>
  (await readMetrics(join(out, 'metrics.jsonl'))).map((line) =>
    'loss' in line ? { ...line, ms: {}, imagesPerSecond: 0 } : line,
  );

/** What a reference comes to. */
export interface Reference {
  readonly model: StateDict;
  readonly average: StateDict;
  readonly momentum: StateDict;
  readonly optimizers: readonly OptimizerState[];
  readonly losses: readonly number[];
}

/**
 * The same run by trainers of their own, one a replica, whose states are brought together tensor by tensor.
 * @param pixelsOf the images of some numbers, u8
 */
export async function reference(
  config: RunConfig,
  count: number,
  pixelsOf: (indices: Uint32Array) => Uint8Array,
): Promise<Reference> {
  const { training, diffusion, seed } = config;
  const { replicas, syncEvery, outerLr, outerMomentum } = training;
  const steps = training.steps!;
  const { timesteps } = diffusion;
  const plan = new BatchPlan({
    ...{ count, batch: imagesOfStep(training), seed, timesteps, flip: config.data.flip },
  });
  const one = { ...config, training: ofOneReplica(training) };
  const trainers = await Promise.all(
    Array.from({ length: replicas }, async () => {
      const { trainer } = await openTrainer(one, makeSchedule(diffusion), false);
      await trainer.unet.importState(freshState(config));
      return trainer;
    }),
  );
  let model = freshState(config);
  const losses: number[] = Array.from({ length: steps }, () => 0);
  const momentum = new Map(
    [...model].map(([name, { data }]) => [name, new Float32Array(data.length)]),
  );
  for (let begin = 0; begin < steps; begin += syncEvery!) {
    const end = Math.min(steps, begin + syncEvery!);
    for (const [r, trainer] of trainers.entries())
      for (let step = begin; step < end; step++) {
        const { indices, epoch: _, ...batch } = plan.batch(step);
        const whole = {
          ...batch,
          pixels: pixelsOf(indices),
          lr: learningRate(training, step, steps),
        };
        const images = partsOf(whole, replicas)[r]![1];
        const { loss } = await trainer.step({ ...images, lr: whole.lr });
        losses[step]! += loss / replicas;
      }
    const states = await Promise.all(trainers.map(({ unet }) => unet.exportState()));
    const averages = await Promise.all(trainers.map(({ unet }) => unet.exportAverage(0)));
    const moments = await Promise.all(trainers.map(({ unet }) => unet.exportOptimizer()));
    model = new Map(
      [...model].map(([name, tensor]) => {
        const own = states.map((state) => state.get(name)!);
        if (tensor.dtype !== 'F32') return [name, own[0]!];
        if (/running_(mean|var)$/.test(name)) return [name, meanOf(own)];
        return [name, moved(tensor, own, momentum.get(name)!, outerLr!, outerMomentum!)];
      }),
    );
    const average = new Map(
      [...averages[0]!].map(([name, tensor]) => [
        name,
        tensor.dtype === 'F32' ? meanOf(averages.map((a) => a.get(name)!)) : tensor,
      ]),
    );
    for (const [r, { unet }] of trainers.entries()) {
      await unet.importState(model);
      await unet.importAverage(0, average);
      await unet.importOptimizer(moments[r]!);
    }
  }
  const result = {
    model,
    average: await trainers[0]!.unet.exportAverage(0),
    momentum: named(momentum, model),
    optimizers: await Promise.all(trainers.map(({ unet }) => unet.exportOptimizer())),
    losses,
  };
  for (const trainer of trainers) await trainer.dispose();
  return result;
}

/** The momentum of what has one: buffers have none. */
const named = (momentum: ReadonlyMap<string, Float32Array>, model: StateDict): StateDict =>
  new Map(
    [...momentum].flatMap(([name, data]): [string, Tensor][] =>
      /running_|num_batches/.test(name)
        ? []
        : [[name, { dtype: 'F32', shape: model.get(name)!.shape, data }]],
    ),
  );

function meanOf(tensors: readonly Tensor[]): Tensor {
  const data = Float32Array.from(
    tensors[0]!.data as Float32Array,
    (_, i) => tensors.reduce((sum, tensor) => sum + Number(tensor.data[i]), 0) / tensors.length,
  );
  return { dtype: 'F32', shape: tensors[0]!.shape, data };
}

function moved(
  { shape, data }: Tensor,
  replicas: readonly Tensor[],
  momentum: Float32Array,
  lr: number,
  kept: number,
): Tensor {
  const values = Float32Array.from(data as Float32Array, (before, i) => {
    const changes = replicas.map((replica) => Number(replica.data[i]) - before);
    const change = changes.reduce((sum, each) => sum + each, 0) / changes.length;
    momentum[i] = kept * momentum[i]! + change;
    return before + lr * (kept * momentum[i]! + change);
  });
  return { dtype: 'F32', shape, data: values };
}

/** The data of a safetensors file without its header, which says which step they are from. */
export const dataOf = (file: Buffer): Buffer => file.subarray(8 + Number(file.readBigUInt64LE()));
