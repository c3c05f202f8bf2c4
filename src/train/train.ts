import { join } from 'node:path';
import type { RunConfig } from '../config/config.js';
import { BatchPlan } from '../data/batches.js';
import type { TrainingData } from '../data/held-out.js';
import { CounterRandom } from '../diffusion/random.js';
import { makeSchedule } from '../diffusion/schedule.js';
import { Interrupted, RunError } from '../errors.js';
import { writeCheckpoint } from '../io/checkpoint.js';
import { MetricsLog } from '../io/metrics.js';
import { runPaths } from '../io/run.js';
import { header, PaceReport } from './header.js';
import { HeldOutLoss } from './held-out.js';
import { checkData, openData } from './open-data.js';
import { openTrainer } from './open-trainer.js';
import type { TrainEvent, TrainOptions, TrainResult } from './options.js';
import { writeSamples } from './samples.js';
import { checkpointState, checkStart, start } from './start.js';
import type { Trainer } from './trainer.js';

/** Steps whose mean loss a run reports at its end. */
const LAST = 40;

/**
 * Trains a U-Net on images: Ho et al. (2020), Algorithm 1, with everything a run needs around it.
 * @throws UsageError for input that cannot be trained on (nothing is left behind); RunError for a loss that is not
 * finite or a disk that is full (the last checkpoint stays); Interrupted once the state is saved.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const onEvent = options.onEvent ?? (() => {});
  await checkStart(options);
  await checkData(options.config);
  const schedule = makeSchedule(options.config.diffusion);
  const { trainer, chosen } = await openTrainer(
    options.config,
    schedule,
    options.requireCuda ?? false,
  );
  const config: RunConfig = { ...options.config, chosen };
  let data: TrainingData | undefined;
  try {
    for (const text of header(config, trainer)) onEvent({ kind: 'note', text });
    data = await openData(options, onEvent);
    const plan = new BatchPlan({
      count: data.train.count,
      batch: config.training.batch,
      seed: config.seed,
      timesteps: config.diffusion.timesteps,
      flip: config.data.flip,
    });
    const taken = await start(options, config, trainer, onEvent);
    return await new Run(options, config, trainer, data, plan, onEvent).go(taken);
  } finally {
    await data?.close();
    await trainer.dispose();
  }
}

/** One run: its loop, and what happens between the steps. */
class Run {
  private readonly options: TrainOptions;
  private readonly config: RunConfig;
  private readonly trainer: Trainer;
  private readonly data: TrainingData;
  private readonly plan: BatchPlan;
  private readonly onEvent: (event: TrainEvent) => void;
  private readonly log: MetricsLog;
  private readonly heldOut: HeldOutLoss | null;
  private readonly recent: number[] = [];
  private heldOutLoss: number | null = null;
  private saved = '';

  constructor(
    options: TrainOptions,
    config: RunConfig,
    trainer: Trainer,
    data: TrainingData,
    plan: BatchPlan,
    onEvent: (event: TrainEvent) => void,
  ) {
    this.options = options;
    this.config = config;
    this.trainer = trainer;
    this.data = data;
    this.plan = plan;
    this.onEvent = onEvent;
    this.log = MetricsLog.open(runPaths(options.out).metrics);
    const { diffusion, seed } = config;
    this.heldOut = data.heldOut
      ? new HeldOutLoss(data.heldOut, diffusion.loss, diffusion.timesteps, new CounterRandom(seed))
      : null;
  }

  async go(taken: number): Promise<TrainResult> {
    const { training } = this.config;
    const total = training.steps ?? training.epochs! * this.plan.stepsPerEpoch;
    if (taken >= total)
      this.onEvent({ kind: 'note', text: `nothing to do: ${taken} of ${total} steps are taken` });
    try {
      await this.steps(taken, total);
      await this.finish(taken, Math.max(taken, total));
    } finally {
      this.log.close();
    }
    const loss = this.recent.length ? mean(this.recent) : null;
    return {
      steps: Math.max(taken, total),
      loss,
      heldOutLoss: this.heldOutLoss,
      checkpoint: this.saved,
    };
  }

  /** The loop: the next batch is read while the step computes. */
  private async steps(taken: number, total: number): Promise<void> {
    const { training } = this.config;
    const pace = new PaceReport(this.config, this.plan.stepsPerEpoch, total);
    let next = taken < total ? this.read(taken) : undefined;
    for (let step = taken; step < total; step++) {
      const begun = performance.now();
      const { pixels, indices: _, ...batch } = await next!;
      if (step + 1 < total) next = this.read(step + 1);
      const running = this.trainer.step({
        step,
        pixels,
        flips: batch.flips,
        t: batch.t,
        lr: training.lr,
      });
      const [{ loss, ms }] = await Promise.all([running, next]);
      const done = step + 1;
      if (!Number.isFinite(loss)) throw this.notFinite(done, loss);
      const imagesPerSecond = (1000 * training.batch) / (performance.now() - begun);
      this.record(done, total, batch.epoch, loss, imagesPerSecond, ms);
      const text = pace.after(done - taken, imagesPerSecond);
      if (text) this.onEvent({ kind: 'note', text });
      await this.between(done, total, batch.epoch);
    }
  }

  private async read(step: number) {
    const batch = this.plan.batch(step);
    const { train } = this.data;
    const pixels = new Uint8Array(batch.indices.length * train.size ** 2 * train.channels);
    train.ahead([1, 2].map((n) => this.plan.indices(step + n)));
    await train.read(batch.indices, pixels);
    return { ...batch, pixels };
  }

  private record(
    step: number,
    totalSteps: number,
    epoch: number,
    loss: number,
    imagesPerSecond: number,
    ms: Readonly<Record<string, number>>,
  ): void {
    this.recent.push(loss);
    if (this.recent.length > LAST) this.recent.shift();
    const rounded = Object.fromEntries(Object.entries(ms).map(([k, v]) => [k, round(v)]));
    const rate = round(imagesPerSecond);
    this.log.append({
      step,
      epoch,
      loss,
      lr: this.config.training.lr,
      imagesPerSecond: rate,
      ms: rounded,
    });
    this.onEvent({ kind: 'step', step, totalSteps, epoch: epoch + 1, loss, imagesPerSecond });
  }

  /** Held-out loss at the end of an epoch, samples and checkpoints when they are due, an interruption. */
  private async between(step: number, total: number, epoch: number): Promise<void> {
    const { saveEvery, sampleEvery } = this.config.training;
    if (step % this.plan.stepsPerEpoch === 0) await this.measure(step, epoch);
    if (sampleEvery > 0 && step % sampleEvery === 0) await this.sample(step);
    const interrupted = this.options.signal?.aborted && step < total;
    if (interrupted || (saveEvery > 0 && step % saveEvery === 0 && step < total))
      await this.save(step, epoch);
    if (interrupted)
      throw new Interrupted(
        `interrupted at step ${step}; saved ${this.saved}, go on with --resume`,
      );
  }

  /** A run always ends with a checkpoint, and with the held-out loss of its last weights. */
  private async finish(taken: number, step: number): Promise<void> {
    const epoch = Math.max(0, Math.ceil(step / this.plan.stepsPerEpoch) - 1);
    const fresh = step > taken;
    if (fresh && step % this.plan.stepsPerEpoch !== 0) await this.measure(step, epoch);
    if (fresh || taken === 0) await this.save(step, epoch);
    else this.saved = join(runPaths(this.options.out).checkpoints, `step-${taken}`);
  }

  private async measure(step: number, epoch: number): Promise<void> {
    if (!this.heldOut) return;
    const heldOutLoss = await this.heldOut.measure(this.trainer);
    this.heldOutLoss = heldOutLoss;
    this.log.append({ step, epoch, heldOutLoss });
    this.onEvent({ kind: 'heldOut', step, heldOutLoss });
  }

  private async sample(step: number): Promise<void> {
    const path = join(runPaths(this.options.out).samples, `step-${step}.png`);
    await writeSamples(path, this.config, await this.trainer.unet.exportState());
    this.onEvent({ kind: 'samples', step, path });
  }

  private async save(step: number, epoch: number): Promise<void> {
    this.log.flush();
    const { unet } = this.trainer;
    const checkpoint = {
      model: await unet.exportState(),
      optimizer: await unet.exportOptimizer(),
      state: checkpointState(this.config, epoch),
    };
    this.saved = await writeCheckpoint(
      this.options.out,
      step,
      checkpoint,
      this.config.training.keep,
    );
    this.onEvent({ kind: 'checkpoint', step, path: this.saved });
  }

  private notFinite(step: number, loss: number): RunError {
    const stays = this.saved
      ? `the checkpoint ${this.saved} stays`
      : 'no checkpoint of this call was written';
    return new RunError(`step ${step}: the loss is ${loss}; ${stays}. A lower --lr may help`);
  }
}

const mean = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) / values.length;

/** Three decimals are all a timing means. */
const round = (value: number): number => Math.round(value * 1000) / 1000;
