import type { RunConfig } from '../config/config.js';
import type { Stage } from '../config/growth.js';
import { guideStepOf } from '../config/kept-guide.js';
import { imagesOfStep } from '../config/replicas.js';
import type { TrainBatch, Trainer } from '../contracts/trainer.js';
import type { BatchPlan } from '../data/batches.js';
import type { RunData } from '../data/run-images.js';
import { ImageLost, Interrupted, RunError, StepNotTaken } from '../errors.js';
import { shellWord } from '../shell-word.js';
import { plural } from '../units.js';
import { PaceReport } from './header.js';
import { learningRate } from './learning-rate.js';
import type { TrainOptions, TrainResult } from './options.js';
import { lossByQuarter, positionsOf } from './positions.js';
import { Rounds } from './rounds.js';
import { RunOutputs, type Saved } from './run-outputs.js';
import type { Start } from './start.js';

type About = Pick<TrainOptions, 'out' | 'queue'>;

/** A step's batch, and the epoch that it belongs to. */
interface ReadBatch {
  readonly epoch: number;
  readonly batch: TrainBatch;
}

/** The interruption of a run that has saved its state. */
export const interruptedAt = (about: About, { path, step }: Saved): Interrupted =>
  new Interrupted(`interrupted at step ${step}; saved ${path}\n${howToContinue(about)}`);

/** An address may hold a password, which REDIS_URL shows nobody. */
function howToContinue({ out, queue = null }: About): string {
  const own = queue === null ? '' : ` --queue ${queue.includes('@') ? 'env' : shellWord(queue)}`;
  return `To continue: haze train --out ${shellWord(out)} --resume${own}`;
}

/** Called after each step and everything that follows it; the next one starts when it has resolved. */
export type AfterStep = () => Promise<void>;

/** A training run's loop, and what is due between its steps. */
export class Run {
  private readonly options: TrainOptions;
  private readonly config: RunConfig;
  private readonly trainer: Trainer;
  private readonly data: RunData;
  private readonly plan: BatchPlan;
  private readonly begin: Start;
  private readonly afterStep: AfterStep;
  /** Steps of the whole run, including those taken before. */
  private readonly total: number;
  /** The step at which the stage ends: the end of the run, or before. */
  private readonly until: number;
  /** Between whose ends nothing is measured, drawn or saved. */
  private readonly rounds: Rounds;
  private readonly outputs: RunOutputs;
  /** The step whose weights are kept as a guide; null for none. */
  private readonly guideStep: number | null;
  /** Whether a resume ended a round in which the run had stopped, so that the newest checkpoint is behind. */
  private endedLate = false;

  constructor(
    options: TrainOptions,
    config: RunConfig,
    trainer: Trainer,
    data: RunData,
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
    const { training } = config;
    this.total = Math.max(begin.taken, plan.total(training));
    this.until = Math.min(stage.until, this.total);
    this.rounds = new Rounds(training.syncEvery, this.total);
    this.guideStep = this.guideStepWithinRounds();
    this.outputs = new RunOutputs(options, config, trainer, data, begin, stage);
  }

  async go(): Promise<TrainResult> {
    const { taken } = this.begin;
    const { outputs } = this;
    try {
      if (taken === this.total)
        outputs.tell({ kind: 'note', text: `nothing to do: ${taken} steps are taken` });
      this.tellOfNoGuide();
      await this.makeUp();
      await this.steps();
      await this.finish();
      if (taken < this.until) await this.afterStep();
      if (this.until < this.total && this.options.signal?.aborted)
        throw interruptedAt(this.options, outputs.saved!);
    } finally {
      outputs.close();
    }
    const { meanLoss: loss, heldOutLoss, saved } = outputs;
    return { steps: this.total, loss, heldOutLoss, checkpoint: saved!.path };
  }

  /** The step of the guide; none if the round that it falls into ends with the run. */
  private guideStepWithinRounds(): number | null {
    const step = guideStepOf(this.config.training.keepGuide, this.total);
    return step !== null && this.rounds.endAfter(step - 1) < this.total ? step : null;
  }

  /** A guide that was asked for and is not kept is no surprise to whoever samples. */
  private tellOfNoGuide(): void {
    const { keepGuide } = this.config.training;
    if (keepGuide === null || this.guideStep !== null || this.begin.taken > 0) return;
    this.outputs.tell({
      kind: 'note',
      text: `guide   none is kept: with --keep-guide ${keepGuide} it would be the weights of the last of ${plural(this.total, 'step')}, the model itself`,
    });
  }

  /** The loop: the next batches are read while the step computes; two, if the trainer prepares the first of them. */
  private async steps(): Promise<void> {
    const { total, until, outputs } = this;
    const { taken } = this.begin;
    const images = imagesOfStep(this.config.training);
    const pace = new PaceReport(this.config, this.plan.stepsPerEpoch, total);
    const depth = this.trainer.prepare ? 2 : 1;
    const next: Promise<ReadBatch>[] = taken < until ? [this.read(taken)] : [];
    for (let step = taken; step < until; step++) {
      const begun = performance.now();
      const { epoch, batch } = await next
        .shift()!
        .catch((error: unknown) => this.cease(error, step));
      while (next.length < Math.min(depth, until - step - 1))
        next.push(this.read(step + 1 + next.length));
      const running = this.take(batch, next[0]);
      // A batch that cannot be read fails where its own step begins: this one counts.
      const [{ loss, losses, ms, milliseconds }] = await Promise.all([
        running,
        Promise.allSettled(next),
      ]).catch((error: unknown) => this.cease(error, step));
      const done = step + 1;
      if (!Number.isFinite(loss)) throw outputs.diverged(done, `the loss is ${loss}`);
      const imagesPerSecond = (1000 * images) / (milliseconds ?? performance.now() - begun);
      const quarters = lossByQuarter(batch.t, losses, positionsOf(this.config));
      const { lr } = batch;
      outputs.record({ step: done, epoch, loss, lr, ...quarters, imagesPerSecond, ms }, total);
      const text = pace.after(done - taken, imagesPerSecond);
      if (text) outputs.tell({ kind: 'note', text });
      if (this.rounds.endsAt(done)) {
        this.trainer.replicas?.endRound();
        await this.between(done, epoch);
      }
      await this.leave(done, epoch);
    }
  }

  /** Takes a step, and lets the trainer prepare the batch of the one after it. */
  private async take(batch: TrainBatch, after: Promise<ReadBatch> | undefined) {
    const read = await after?.catch(() => undefined);
    if (read) this.trainer.prepare?.(read.batch);
    return this.trainer.step(batch);
  }

  private async read(step: number): Promise<ReadBatch> {
    const { epoch, indices, flips, ...drawn } = this.plan.batch(step);
    const lr = learningRate(this.config.training, step, this.total);
    const { train } = this.data;
    if (this.trainer.elsewhere)
      return { epoch, batch: { ...drawn, lr, pixels: new Uint8Array(0) } };
    // Before others are announced, which replaces what was.
    const images = train.batch(indices, flips);
    const ahead = [step + 1, step + 2].filter((later) => later < this.until);
    train.ahead(ahead.map((later) => this.plan.indices(later)));
    return { epoch, batch: { ...drawn, lr, ...(await images) } };
  }

  /**
   * What is due by the end of a round: a checkpoint, before anything that takes long; the held-out loss, where an epoch has ended;
   * samples.
   */
  private async between(step: number, epoch: number): Promise<void> {
    const { saveEvery } = this.config.training;
    const { guideStep, rounds, outputs } = this;
    if (guideStep !== null && guideStep <= step && guideStep > rounds.beginOf(step))
      await outputs.keepGuide(step);
    if (rounds.reaches(saveEvery, step) && step < this.until) await outputs.save(step, epoch);
    if (this.endsEpoch(step)) await this.measure(step, epoch);
    if (this.samplesAt(step)) await outputs.sample(step);
  }

  private async measure(step: number, epoch: number): Promise<void> {
    await this.outputs.measure(step, epoch).catch((error: unknown) => this.cease(error, step));
  }

  /** Whoever waits for the step has it; an interruption ends the run. */
  private async leave(step: number, epoch: number): Promise<void> {
    if (step === this.until) return;
    if (!this.options.signal?.aborted) await this.afterStep();
    // What is computed already costs nothing, and it is at its end that a round can be saved.
    if (this.options.signal?.aborted && !this.trainer.elsewhere?.ahead)
      await this.stop(step, epoch);
  }

  /**
   * Ends a run that was interrupted while it waited for others, or lost them or an image.
   * @throws Interrupted once the state is saved; else the error
   */
  private async cease(error: unknown, taken: number): Promise<never> {
    const epoch = this.plan.epochOf(Math.max(0, taken - 1));
    if (error instanceof Interrupted) return this.stop(taken, epoch);
    const keeps = error instanceof StepNotTaken || error instanceof ImageLost;
    if (!keeps || taken === this.begin.taken) throw error;
    const { outputs, options } = this;
    if (outputs.saved?.step !== taken) await outputs.save(taken, epoch);
    const to = howToContinue(options);
    throw new RunError(`${error.message}\nSaved ${outputs.saved!.path}\n${to}`, { cause: error });
  }

  /** What follows a checkpoint and an interruption came before: the end of a round, the held-out loss of an epoch, samples. */
  private async makeUp(): Promise<void> {
    const { taken } = this.begin;
    if (taken === 0) return;
    const epoch = this.plan.epochOf(taken - 1);
    const { outputs } = this;
    const { replicas } = this.trainer;
    if (replicas?.inRound) {
      if (!this.rounds.endsAt(taken)) return;
      replicas.endRound();
      this.endedLate = true;
    }
    const measures = this.endsEpoch(taken) || taken === this.total;
    if (outputs.heldOutLoss === null && measures) await outputs.measure(taken, epoch);
    if (this.samplesAt(taken) && !(await outputs.hasSamples(taken))) await outputs.sample(taken);
    if (outputs.cutShort) await this.stop(taken, epoch);
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
    const { outputs } = this;
    if (isLast && !this.endsEpoch(step)) await this.measure(step, epoch);
    if (outputs.cutShort) await this.stop(step, epoch);
    await outputs.save(step, epoch);
  }

  /** Ends an interrupted run. @throws Interrupted once the state is saved */
  private async stop(step: number, epoch: number): Promise<never> {
    const { outputs } = this;
    if (outputs.saved?.step !== step) await outputs.save(step, epoch);
    throw interruptedAt(this.options, outputs.saved!);
  }
}
