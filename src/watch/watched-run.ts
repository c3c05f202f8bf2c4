import { join } from 'node:path';
import { systemCode, systemReason } from '../io/atomic.js';
import type { Progress } from './followed-file.js';
import { Losses } from './losses.js';
import type { Picture, Remark, RunMessage, RunState } from './messages.js';
import { picturesIn, samplesIn } from './pictures.js';
import { Remarks } from './remarks.js';
import { Settings } from './settings.js';

/** Milliseconds within which all who ask get what was read for the first of them. */
const FRESH = 200;

/** A run that takes a step this long ago, in seconds and in steps, is quiet: it was stopped, or draws samples. */
const QUIET_SECONDS = 15;
const QUIET_STEPS = 10;

/** The buckets that a page has already: of a generation those before one. */
export interface Known {
  readonly generation: string;
  readonly from: number;
}

/** One run as it stands in its files. It reads when it is asked, and only what is new. */
export class WatchedRun {
  readonly name: string;
  readonly folder: string;
  /** A real path, out of which no link may lead. */
  readonly root: string;
  private readonly losses: Losses;
  private readonly settings: Settings;
  private readonly remarks: Remarks;
  private progress: Progress | null = null;
  private pictures: readonly Picture[] = [];
  private samples: readonly (readonly [number, number])[] = [];
  private said: readonly Remark[] = [];
  private faults: readonly string[] = [];
  /** Whether there was a config.json, ever and now. */
  private seen = false;
  private there = false;
  private read = 0;
  private reading: Promise<void> | null = null;

  /** @param root a real path, out of which no link may lead */
  constructor(root: string, folder: string, name: string) {
    this.root = root;
    this.folder = folder;
    this.name = name;
    this.losses = new Losses(root, folder);
    this.settings = new Settings(root, folder);
    this.remarks = new Remarks(root, folder);
  }

  /** What a page shows of the run that has these buckets of steps and held-out losses. */
  async message(steps: Known, heldOuts: Known): Promise<RunMessage> {
    await this.refresh();
    const { losses } = this;
    return {
      name: this.name,
      state: this.state(),
      read: this.progress && this.progress.size > 0 ? this.progress.read / this.progress.size : 1,
      idle: this.idle(),
      totalSteps: this.totalSteps(),
      now: losses.recent.now(),
      heldOut: losses.heldOut,
      secondsLeft: this.secondsLeft(),
      steps: losses.steps.curve(steps.generation, steps.from),
      heldOuts: losses.heldOuts.curve(heldOuts.generation, heldOuts.from),
      samples: this.samples,
      pictures: this.pictures,
      config: this.settings.rows,
      remarks: this.said,
      faults: [...this.faults, ...losses.faults()],
    };
  }

  /** However many ask at once, files are read once. */
  private async refresh(): Promise<void> {
    if (!this.isBehind() && performance.now() - this.read < FRESH) return;
    this.reading ??= this.look().finally(() => {
      this.read = performance.now();
      this.reading = null;
    });
    await this.reading;
  }

  private async look(): Promise<void> {
    const faults: string[] = [];
    const attempt = async <T>(what: string, action: () => Promise<T>): Promise<T | undefined> => {
      try {
        return await action();
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') faults.push(`${what}: ${reason(error)}`);
        return undefined;
      }
    };
    const { root, folder } = this;
    const settled = await attempt('config.json', async () => {
      await this.settings.follow();
      return true;
    });
    this.there = settled === true || faults.length > 0;
    this.seen ||= this.there;
    // What is gone stays as it was last seen: the page says so.
    const progress = await attempt('metrics.jsonl', () => this.losses.follow());
    this.progress = progress ?? this.progress;
    this.there &&= progress !== undefined || this.losses.steps.step === 0;
    this.said = await this.remarks.follow();
    this.pictures = (await attempt('pictures', () => picturesIn(root, folder))) ?? this.pictures;
    this.samples =
      (await attempt('samples', () => samplesIn(root, join(folder, 'samples')))) ?? this.samples;
    this.faults = faults;
  }

  private state(): RunState {
    if (!this.there) return this.seen ? 'gone' : 'waiting';
    const { step } = this.losses.steps;
    if (this.isBehind()) return 'reading';
    const total = this.totalSteps();
    if (total !== null && step >= total) return 'finished';
    const idle = this.idle();
    if (idle === null) return 'waiting';
    return idle > Math.max(QUIET_SECONDS, QUIET_STEPS * this.secondsPerStep())
      ? 'quiet'
      : 'training';
  }

  /** Whether its log is longer than what was read. */
  private isBehind(): boolean {
    return this.progress !== null && this.progress.read < this.progress.size;
  }

  private idle(): number | null {
    return this.progress ? Math.max(0, (Date.now() - this.progress.modified) / 1000) : null;
  }

  private secondsPerStep(): number {
    return this.losses.recent.secondsPerStep(this.settings.imagesPerStep) ?? 0;
  }

  /** Of a run whose length is in epochs, known once the second one has begun. */
  private totalSteps(): number | null {
    const { steps, epochs } = this.settings;
    if (steps !== null) return steps;
    const { stepsPerEpoch } = this.losses;
    return epochs !== null && stepsPerEpoch !== null ? epochs * stepsPerEpoch : null;
  }

  private secondsLeft(): number | null {
    const total = this.totalSteps();
    const pace = this.secondsPerStep();
    const left = (total ?? 0) - this.losses.steps.step;
    return total === null || pace === 0 || left <= 0 ? null : left * pace;
  }
}

const reason = (error: unknown): string =>
  systemReason(error) ?? (error instanceof Error ? error.message : String(error));
