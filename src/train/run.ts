import type { RunConfig } from '../config/config.js';
import { atStage, type Stage } from '../config/growth.js';
import { imagesOfStep } from '../config/replicas.js';
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
import { replicaParts } from './replica-files.js';
import { Rounds } from './rounds.js';
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
  /** Between whose ends nothing is measured, drawn or saved. */
  private readonly rounds: Rounds;
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
  /** Whether a resume ended a round in which the run had stopped, so that the newest checkpoint is behind. */
  private endedLate = false;

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
    this.rounds = new Rounds(training.syncEvery, this.total);
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
    const images = imagesOfStep(training);
    const pace = new PaceReport(this.config, this.plan.stepsPerEpoch, total);
    let next = taken < until ? this.read(taken) : undefined;
    for (let step = taken; step < until; step++) {
      const begun = performance.now();
      const { epoch, indices: _, ...batch } = await next!;
      if (step + 1 < until) next = this.read(step + 1);
      const lr = learningRate(training, step, total);
      const running = this.trainer.step({ ...batch, lr });
      const [{ loss, losses, ms, milliseconds }] = await Promise.all([running, next]).catch(
        (error: unknown) => this.cease(error, step),
      );
      const done = step + 1;
      if (!Number.isFinite(loss)) throw this.diverged(done, `the loss is ${loss}`);
      const imagesPerSecond = (1000 * images) / (milliseconds ?? performance.now() - begun);
      const quarters = lossByQuarter(batch.t, losses, positionsOf(this.config));
      this.record({ step: done, epoch, loss, lr, ...quarters, imagesPerSecond, ms });
      const text = pace.after(done - taken, imagesPerSecond);
      if (text) this.tell({ kind: 'note', text });
      if (this.rounds.endsAt(done)) {
        this.trainer.replicas?.endRound();
        await this.between(done, epoch);
      }
      await this.leave(done, epoch);
    }
  }

  private async read(step: number) {
    const batch = this.plan.batch(step);
    const { train } = this.data;
    if (this.trainer.elsewhere) return { ...batch, pixels: new Uint8Array(0) };
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
   * What is due by the end of a round: a checkpoint, before anything that takes long; the held-out loss, where an epoch has ended;
   * samples.
   */
  private async between(step: number, epoch: number): Promise<void> {
    const { saveEvery } = this.config.training;
    const { guideStep, rounds } = this;
    if (guideStep !== null && guideStep <= step && guideStep > rounds.beginOf(step))
      await this.keepGuide(step);
    if (rounds.reaches(saveEvery, step) && step < this.until) await this.save(step, epoch);
    if (this.endsEpoch(step)) await this.measure(step, epoch);
    if (this.samplesAt(step)) await this.sample(step);
  }

  /** Whoever waits for the step has it; an interruption ends the run. */
  private async leave(step: number, epoch: number): Promise<void> {
    if (step === this.until) return;
    if (!this.options.signal?.aborted) await this.afterStep();
    // What is computed already costs nothing, and it is at its end that a round can be saved.
    if (this.options.signal?.aborted && !this.trainer.elsewhere?.ahead)
      await this.stop(step, epoch);
  }

  /** Ends a run that was interrupted while it waited for others. @throws Interrupted once the state is saved; else the error */
  private async cease(error: unknown, taken: number): Promise<never> {
    if (!(error instanceof Interrupted)) throw error;
    return this.stop(taken, this.plan.epochOf(Math.max(0, taken - 1)));
  }

  /** What follows a checkpoint and an interruption came before: the end of a round, the held-out loss of an epoch, samples. */
  private async makeUp(): Promise<void> {
    const { taken } = this.begin;
    if (taken === 0) return;
    const epoch = this.plan.epochOf(taken - 1);
    const { replicas } = this.trainer;
    if (replicas?.inRound) {
      if (!this.rounds.endsAt(taken)) return;
      replicas.endRound();
      this.endedLate = true;
    }
    if (this.heldOutLoss === null && this.endsEpoch(taken)) await this.measure(taken, epoch);
    if (this.samplesAt(taken) && !(await isFile(gridPath(this.paths, taken))))
      await this.sample(taken);
    if (this.cutShort) await this.stop(taken, epoch);
  }

  /** Whether an epoch ends with this step, or has ended in the round that does. */
  private endsEpoch(step: number): boolean {
    return this.rounds.reaches(this.plan.stepsPerEpoch, step);
  }

  private samplesAt(step: number): boolean {
    return this.rounds.reaches(this.config.training.sampleEvery, step);
  }

  /** A stage always ends with a checkpoint, and a run also with the held-out loss of its last weights. */
  private async finish(): Promise<void> {
    const step = this.until;
    if (step === this.begin.taken && !this.endedLate) return;
    const epoch = this.plan.epochOf(step - 1);
    const isLast = step === this.total;
    if (isLast && !this.endsEpoch(step)) await this.measure(step, epoch);
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
    const { unet, replicas } = this.trainer;
    const { ema } = this.config.training;
    const checkpoint = {
      model: () => {
        replicas?.show('shared');
        return this.weights(step);
      },
      optimizer: () => {
        replicas?.show(0);
        return unet.exportOptimizer();
      },
      state: checkpointState(this.config, epoch, this.begin.data, replicas?.inRound),
      averages: new Map(ema.map((decay, i) => [decay, () => unet.exportAverage(i)])),
      others: replicaParts(this.trainer, ema, (state) => this.finite(step, state)),
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
    return this.finite(step, await this.trainer.unet.exportState());
  }

  private finite(step: number, state: StateDict): StateDict {
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
