import type { RunConfig } from '../config/config.js';
import { atStage, type Stage } from '../config/growth.js';
import type { Trainer } from '../contracts/trainer.js';
import type { RunData } from '../data/run-images.js';
import { CounterRandom } from '../diffusion/random.js';
import { RunError } from '../errors.js';
import { writeAtomically } from '../io/atomic.js';
import { writeCheckpoint } from '../io/checkpoint.js';
import { LAST, MetricsLog, type StepMetrics } from '../io/metrics.js';
import {
  gridPath,
  isFile,
  isFolder,
  type Json,
  type RunPaths,
  restoreRun,
  runPaths,
} from '../io/run.js';
import { writeTensors } from '../io/safetensors.js';
import type { EventLog } from '../io/tensorboard/events.js';
import { firstNotFinite, type StateDict } from '../network/state.js';
import { addSamples, heldOutScalars, openEvents, stepScalars } from './events.js';
import { HeldOutLoss } from './held-out.js';
import type { TrainEvent, TrainOptions } from './options.js';
import { positionsOf } from './positions.js';
import { replicaParts } from './replica-files.js';
import { writeSamples } from './samples.js';
import { checkpointState, keepAutoencoder, type Start } from './start.js';

/** A checkpoint that was written. */
export interface Saved {
  readonly path: string;
  readonly step: number;
}

/** What a training run writes: metrics, checkpoints, held-out losses, samples and its guide. */
export class RunOutputs {
  #saved: Saved | null;
  #heldOutLoss: number | null;
  #cutShort = false;
  private readonly options: TrainOptions;
  private readonly config: RunConfig;
  private readonly trainer: Trainer;
  private readonly begin: Start;
  private readonly stage: Stage;
  private readonly paths: RunPaths;
  private readonly log: MetricsLog;
  /** For TensorBoard, if requested. */
  private readonly events: EventLog | null;
  private readonly heldOut: HeldOutLoss | null;
  private readonly recent: number[] = [];

  constructor(
    options: TrainOptions,
    config: RunConfig,
    trainer: Trainer,
    { heldOut }: RunData,
    begin: Start,
    stage: Stage,
  ) {
    this.options = options;
    this.config = config;
    this.trainer = trainer;
    this.begin = begin;
    this.stage = stage;
    this.paths = runPaths(options.out);
    this.log = MetricsLog.open(this.paths.metrics);
    this.events = openEvents(options, this.paths, config);
    const { diffusion, seed } = config;
    this.heldOut = heldOut
      ? new HeldOutLoss(heldOut, diffusion.loss, positionsOf(config), new CounterRandom(seed))
      : null;
    this.#heldOutLoss = lastHeldOut(begin);
    const { taken, checkpoint } = begin;
    this.#saved = checkpoint === null ? null : { path: checkpoint, step: taken };
  }

  /** The newest checkpoint and its step. */
  get saved(): Saved | null {
    return this.#saved;
  }

  /** The newest held-out loss; null if the last checkpoint's step has none. */
  get heldOutLoss(): number | null {
    return this.#heldOutLoss;
  }

  /** Whether an interruption cut work between two steps short. */
  get cutShort(): boolean {
    return this.#cutShort;
  }

  /** The mean loss of the last steps; null before the first. */
  get meanLoss(): number | null {
    return this.recent.length ? mean(this.recent) : null;
  }

  hasSamples(step: number): Promise<boolean> {
    return isFile(gridPath(this.paths, step));
  }

  /** Its lines were synced with the last checkpoint; a failure here must not hide the run's own. */
  close(): void {
    try {
      this.log.close();
      this.events?.close();
    } catch (error) {
      this.tell({ kind: 'warning', text: (error as Error).message });
    }
  }

  record(metrics: StepMetrics, totalSteps: number): void {
    const { step, epoch, loss, imagesPerSecond } = metrics;
    this.recent.push(loss);
    if (this.recent.length > LAST) this.recent.shift();
    const ms = Object.fromEntries(Object.entries(metrics.ms).map(([k, v]) => [k, round(v)]));
    const line = { ...metrics, imagesPerSecond: round(imagesPerSecond), ms };
    this.log.append(line);
    this.events?.scalars(step, stepScalars(line));
    this.tell({ kind: 'step', step, totalSteps, epoch: epoch + 1, loss, imagesPerSecond });
  }

  async measure(step: number, epoch: number): Promise<void> {
    if (!this.heldOut || this.#cutShort) return;
    const heldOutLoss = await this.withAverage(() =>
      this.heldOut!.measure(this.trainer, {
        signal: this.options.signal,
        onProgress: (done, total) => this.pause(step, 'held-out loss', done, total),
      }),
    );
    this.#cutShort = heldOutLoss === null;
    if (heldOutLoss === null) return;
    this.#heldOutLoss = heldOutLoss;
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

  async sample(step: number): Promise<void> {
    if (this.#cutShort) return;
    await this.restore();
    const path = gridPath(this.paths, step);
    const weights = await this.withAverage(() => this.weights(step));
    try {
      const made = await writeSamples(path, atStage(this.config, this.stage), weights, {
        signal: this.options.signal,
        onProgress: (done, total) => this.pause(step, 'samples', done, total),
      });
      this.#cutShort = !made;
      if (made && this.events) await addSamples(this.events, step, path);
      if (made) this.tell({ kind: 'samples', step, path });
    } catch (error) {
      // A failed picture is no reason to lose a run.
      const text = `step ${step}: no samples: ${(error as Error).message}`;
      this.tell({ kind: 'warning', text });
    }
  }

  /** Keeps the guide: the weights that sampling would use now. */
  async keepGuide(step: number): Promise<void> {
    await this.restore();
    const weights = await this.withAverage(() => this.weights(step));
    await writeAtomically(this.paths.guide, (file) =>
      writeTensors(file, weights, { format: 'pt' }),
    );
    this.tell({ kind: 'note', text: `step ${step}: kept ${this.paths.guide}` });
  }

  async save(step: number, epoch: number): Promise<void> {
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
    this.#saved = { path, step };
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
    await this.restoreAutoencoder();
  }

  /** Copies the run's autoencoder again if it was deleted. */
  private async restoreAutoencoder(): Promise<void> {
    const { vae } = this.paths;
    if (this.config.data.autoencoder === undefined || (await isFolder(vae))) return;
    await keepAutoencoder(this.config, this.paths).catch((error: unknown) => {
      const text = `${vae}: was deleted while the run trained, and needs to be copied there again: ${(error as Error).message}`;
      this.tell({ kind: 'warning', text });
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

  diverged(step: number, what: string): RunError {
    const stays = this.#saved
      ? `the checkpoint ${this.#saved.path} stays`
      : 'no checkpoint was written';
    return new RunError(`step ${step}: ${what}; ${stays}. A lower --lr may help`);
  }

  private pause(step: number, what: string, done: number, total: number): void {
    this.tell({ kind: 'pause', step, what, done, total });
  }

  tell(event: TrainEvent): void {
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
