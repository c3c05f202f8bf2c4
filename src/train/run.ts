import type { RunConfig } from '../config/config.js';
import { atStage, type Stage } from '../config/growth.js';
import type { Trainer } from '../contracts/trainer.js';
import type { BatchPlan } from '../data/batches.js';
import type { TrainingData } from '../data/held-out.js';
import { CounterRandom } from '../diffusion/random.js';
import { Interrupted, RunError } from '../errors.js';
import { writeAtomically } from '../io/atomic.js';
import { writeCheckpoint } from '../io/checkpoint.js';
import { MetricsLog, type StepMetrics } from '../io/metrics.js';
import { gridPath, isFile, type Json, type RunPaths, restoreRun, runPaths } from '../io/run.js';
import { writeTensors } from '../io/safetensors.js';
import type { EventLog } from '../io/tensorboard/events.js';
import { firstNotFinite, type StateDict } from '../network/state.js';
import { shellWord } from '../shell-word.js';
import { addSamples, heldOutScalars, openEvents, stepScalars } from './events.js';
import { PaceReport } from './header.js';
import { HeldOutLoss } from './held-out.js';
import { learningRate } from './learning-rate.js';
import type { TrainEvent, TrainOptions, TrainResult } from './options.js';
import { lossByQuarter, positionsOf } from './positions.js';
import { writeSamples } from './samples.js';
import { checkpointState, type Start } from './start.js';

/** Number of steps whose mean loss a run reports at its end. */
const LAST = 40;

/** A checkpoint that was written. */
export interface Saved {
  readonly path: string;
  readonly step: number;
}

/** The interruption of a run that has saved its state. */
export const interruptedAt = (out: string, { path, step }: Saved): Interrupted =>
  new Interrupted(
    `interrupted at step ${step}; saved ${path}\n` +
      `To continue: haze train --out ${shellWord(out)} --resume`,
  );

/** Called after each step and everything that follows it; the next one starts when it has resolved. */
export type AfterStep = () => Promise<void>;

/** A training run's loop, and what happens between its steps. */
export class Run {
  private readonly options: TrainOptions;
  private readonly config: RunConfig;
  private readonly trainer: Trainer;
  private readonly data: TrainingData;
  private readonly plan: BatchPlan;
  private readonly begin: Start;
  private readonly stage: Stage;
  private readonly afterStep: AfterStep;
  /** Steps of the whole run, including those taken before. */
  private readonly total: number;
  /** The step at which the stage ends: the end of the run, or before. */
  private readonly until: number;
  private readonly paths: RunPaths;
  private readonly log: MetricsLog;
  /** For TensorBoard, if requested. */
  private readonly events: EventLog | null;
  private readonly heldOut: HeldOutLoss | null;
  private readonly recent: number[] = [];
  private heldOutLoss: number | null;
  /** The step whose weights are kept as a guide; null for none. */
  private readonly guideStep: number | null;
  /** The newest checkpoint and its step. */
  private saved: Saved | null;
  /** Whether an interruption cut work between two steps short. */
  private cutShort = false;

  constructor(
    options: TrainOptions,
    config: RunConfig,
    trainer: Trainer,
    data: TrainingData,
    plan: BatchPlan,
    begin: Start,
    stage: Stage,
    afterStep: AfterStep = async () => {},
  ) {
    this.afterStep = afterStep;
    this.options = options;
    this.config = config;
    this.trainer = trainer;
    this.data = data;
    this.plan = plan;
    this.begin = begin;
    this.stage = stage;
    const { training, diffusion, seed } = config;
    const { taken, checkpoint } = begin;
    this.total = Math.max(taken, training.steps ?? training.epochs! * plan.stepsPerEpoch);
    this.until = Math.min(stage.until, this.total);
    const { keepGuide } = training;
    this.guideStep = keepGuide === null ? null : Math.max(1, Math.round(keepGuide * this.total));
    this.paths = runPaths(options.out);
    this.log = MetricsLog.open(this.paths.metrics);
    this.events = openEvents(options, this.paths, config);
    this.heldOut = data.heldOut
      ? new HeldOutLoss(data.heldOut, diffusion.loss, positionsOf(config), new CounterRandom(seed))
      : null;
    this.heldOutLoss = lastHeldOut(begin);
    this.saved = checkpoint === null ? null : { path: checkpoint, step: taken };
  }

  async go(): Promise<TrainResult> {
    const { taken } = this.begin;
    try {
      if (taken === this.total)
        this.tell({ kind: 'note', text: `nothing to do: ${taken} steps are taken` });
      await this.makeUp();
      await this.steps();
      await this.finish();
      if (taken < this.until) await this.afterStep();
      if (this.until < this.total && this.options.signal?.aborted)
        throw interruptedAt(this.options.out, this.saved!);
    } finally {
      this.closeLog();
    }
    const loss = this.recent.length ? mean(this.recent) : null;
    return { steps: this.total, loss, heldOutLoss: this.heldOutLoss, checkpoint: this.saved!.path };
  }

  /** Its lines were synced with the last checkpoint; a failure here must not hide the run's own. */
  private closeLog(): void {
    try {
      this.log.close();
      this.events?.close();
    } catch (error) {
      this.tell({ kind: 'warning', text: (error as Error).message });
    }
  }

  /** The loop: the next batch is read while the step computes. */
  private async steps(): Promise<void> {
    const { total, until } = this;
    const { taken } = this.begin;
    const { training } = this.config;
    const images = training.batch * training.accumulate;
    const pace = new PaceReport(this.config, this.plan.stepsPerEpoch, total);
    let next = taken < until ? this.read(taken) : undefined;
    for (let step = taken; step < until; step++) {
      const begun = performance.now();
      const { epoch, indices: _, ...batch } = await next!;
      if (step + 1 < until) next = this.read(step + 1);
      const lr = learningRate(training, step, total);
      const running = this.trainer.step({ ...batch, lr });
      const [{ loss, losses, ms }] = await Promise.all([running, next]);
      const done = step + 1;
      if (!Number.isFinite(loss)) throw this.diverged(done, `the loss is ${loss}`);
      const imagesPerSecond = (1000 * images) / (performance.now() - begun);
      const quarters = lossByQuarter(batch.t, losses, positionsOf(this.config));
      this.record({ step: done, epoch, loss, lr, ...quarters, imagesPerSecond, ms });
      const text = pace.after(done - taken, imagesPerSecond);
      if (text) this.tell({ kind: 'note', text });
      await this.between(done, epoch);
    }
  }

  private async read(step: number) {
    const batch = this.plan.batch(step);
    const { train } = this.data;
    const pixels = new Uint8Array(batch.indices.length * train.size ** 2 * train.channels);
    const ahead = [step + 1, step + 2].filter((later) => later < this.until);
    train.ahead(ahead.map((later) => this.plan.indices(later)));
    await train.read(batch.indices, pixels);
    return { ...batch, pixels };
  }

  private record(metrics: StepMetrics): void {
    const { step, epoch, loss, imagesPerSecond } = metrics;
    this.recent.push(loss);
    if (this.recent.length > LAST) this.recent.shift();
    const ms = Object.fromEntries(Object.entries(metrics.ms).map(([k, v]) => [k, round(v)]));
    const line = { ...metrics, imagesPerSecond: round(imagesPerSecond), ms };
    this.log.append(line);
    this.events?.scalars(step, stepScalars(line));
    const totalSteps = this.total;
    this.tell({ kind: 'step', step, totalSteps, epoch: epoch + 1, loss, imagesPerSecond });
  }

  /**
   * Between two steps: a checkpoint if one is due, before anything that takes long; the held-out loss at the end of an epoch; samples;
   * an interruption.
   */
  private async between(step: number, epoch: number): Promise<void> {
    const { saveEvery } = this.config.training;
    if (step === this.guideStep) await this.keepGuide(step);
    if (saveEvery > 0 && step % saveEvery === 0 && step < this.until) await this.save(step, epoch);
    if (this.plan.endsEpoch(step - 1)) await this.measure(step, epoch);
    if (this.samplesAt(step)) await this.sample(step);
    if (step === this.until) return;
    if (!this.options.signal?.aborted) await this.afterStep();
    if (this.options.signal?.aborted) await this.stop(step, epoch);
  }

  /** Work that follows a checkpoint and that an interruption prevented: the held-out loss of an epoch, and samples. */
  private async makeUp(): Promise<void> {
    const { taken } = this.begin;
    if (taken === 0) return;
    const epoch = this.plan.epochOf(taken - 1);
    if (this.heldOutLoss === null && this.plan.endsEpoch(taken - 1))
      await this.measure(taken, epoch);
    if (this.samplesAt(taken) && !(await isFile(gridPath(this.paths, taken))))
      await this.sample(taken);
    if (this.cutShort) await this.stop(taken, epoch);
  }

  private samplesAt(step: number): boolean {
    const { sampleEvery } = this.config.training;
    return sampleEvery > 0 && step % sampleEvery === 0;
  }

  /** A stage always ends with a checkpoint, and a run also with the held-out loss of its last weights. */
  private async finish(): Promise<void> {
    const step = this.until;
    if (step === this.begin.taken) return;
    const epoch = this.plan.epochOf(step - 1);
    const isLast = step === this.total;
    if (isLast && !this.plan.endsEpoch(step - 1)) await this.measure(step, epoch);
    if (this.cutShort) await this.stop(step, epoch);
    await this.save(step, epoch);
  }

  /** Ends an interrupted run. @throws Interrupted once the state is saved */
  private async stop(step: number, epoch: number): Promise<never> {
    if (this.saved?.step !== step) await this.save(step, epoch);
    throw interruptedAt(this.options.out, this.saved!);
  }

  private async measure(step: number, epoch: number): Promise<void> {
    if (!this.heldOut || this.cutShort) return;
    const heldOutLoss = await this.withAverage(() =>
      this.heldOut!.measure(this.trainer, {
        signal: this.options.signal,
        onProgress: (done, total) => this.pause(step, 'held-out loss', done, total),
      }),
    );
    this.cutShort = heldOutLoss === null;
    if (heldOutLoss === null) return;
    this.heldOutLoss = heldOutLoss;
    this.log.append({ step, epoch, heldOutLoss });
    this.events?.scalars(step, heldOutScalars(heldOutLoss));
    this.tell({ kind: 'heldOut', step, heldOutLoss });
  }

  /** Runs `action` with the weights that sampling uses in place of the trained ones, if a run has others. */
  private async withAverage<T>(action: () => Promise<T>): Promise<T> {
    if (this.config.training.ema.length === 0) return action();
    const { unet } = this.trainer;
    await unet.exchangeAverage(0);
    try {
      return await action();
    } finally {
      await unet.exchangeAverage(0);
    }
  }

  private async sample(step: number): Promise<void> {
    if (this.cutShort) return;
    await this.restore();
    const path = gridPath(this.paths, step);
    const weights = await this.withAverage(() => this.weights(step));
    try {
      const made = await writeSamples(path, atStage(this.config, this.stage), weights, {
        signal: this.options.signal,
        onProgress: (done, total) => this.pause(step, 'samples', done, total),
      });
      this.cutShort = !made;
      if (made && this.events) await addSamples(this.events, step, path);
      if (made) this.tell({ kind: 'samples', step, path });
    } catch (error) {
      // A failed picture is no reason to lose a run.
      const text = `step ${step}: no samples: ${(error as Error).message}`;
      this.tell({ kind: 'warning', text });
    }
  }

  /** Keeps the guide: the weights that sampling would use now. */
  private async keepGuide(step: number): Promise<void> {
    await this.restore();
    const weights = await this.withAverage(() => this.weights(step));
    await writeAtomically(this.paths.guide, (file) =>
      writeTensors(file, weights, { format: 'pt' }),
    );
    this.tell({ kind: 'note', text: `step ${step}: kept ${this.paths.guide}` });
  }

  private async save(step: number, epoch: number): Promise<void> {
    const { out } = this.options;
    const checkpoint = {
      model: () => this.weights(step),
      optimizer: () => this.trainer.unet.exportOptimizer(),
      state: checkpointState(this.config, epoch, this.begin.data),
      averages: new Map(
        this.config.training.ema.map((decay, i) => [
          decay,
          () => this.trainer.unet.exportAverage(i),
        ]),
      ),
    };
    await this.restore();
    this.log.flush();
    this.events?.flush();
    const path = await writeCheckpoint(out, step, checkpoint, this.config.training.keep);
    if (!(await isFile(this.paths.config)))
      throw new RunError(`${out}: the run was deleted while it was saved at step ${step}`);
    this.saved = { path, step };
    this.tell({ kind: 'checkpoint', step, path });
  }

  /** Makes sure that the following writes have a folder, with a run that can be opened, whatever happened meanwhile. */
  private async restore(): Promise<void> {
    const { out } = this.options;
    if (await restoreRun(this.paths, this.config as unknown as Json, this.begin.hold))
      this.tell({
        kind: 'warning',
        text: `${out}: config.json was deleted while the run trained; it is written again`,
      });
  }

  /** The current weights. @throws RunError if they are not finite: they must not replace the last good ones */
  private async weights(step: number): Promise<StateDict> {
    const state = await this.trainer.unet.exportState();
    const fault = firstNotFinite(state);
    if (fault) throw this.diverged(step, `${fault.name} became ${fault.value}`);
    return state;
  }

  private diverged(step: number, what: string): RunError {
    const stays = this.saved
      ? `the checkpoint ${this.saved.path} stays`
      : 'no checkpoint was written';
    return new RunError(`step ${step}: ${what}; ${stays}. A lower --lr may help`);
  }

  private pause(step: number, what: string, done: number, total: number): void {
    this.tell({ kind: 'pause', step, what, done, total });
  }

  private tell(event: TrainEvent): void {
    this.options.onEvent?.(event);
  }
}

/** The last logged held-out loss. */
function lastHeldOut({ taken, log }: Start): number | null {
  const line = log.findLast((metrics) => 'heldOutLoss' in metrics && metrics.step === taken);
  return line && 'heldOutLoss' in line ? line.heldOutLoss : null;
}

const mean = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) / values.length;

/** Three decimals: timings are not more precise. */
const round = (value: number): number => Math.round(value * 1000) / 1000;
