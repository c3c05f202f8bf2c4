import { join } from 'node:path';
import { systemCode, systemReason } from '../io/atomic.js';
import type { Progress } from './followed-file.js';
import { Losses } from './losses.js';
import type { Picture, RunMessage, RunState } from './messages.js';
import { type Grid, Grids, picturesIn } from './pictures.js';
import { Remarks } from './remarks.js';
import { Settings } from './settings.js';

/** Milliseconds for which requests are answered from the last read. */
const FRESH = 200;

/** A run whose last step is this long ago, by all of these, is quiet. A round that workers train is logged at its end. */
const QUIET_SECONDS = 15;
const QUIET_STEPS = 10;
const QUIET_ROUNDS = 2;

/** The buckets that a page already has: those of a generation before `from`. */
export interface Known {
  readonly generation: string;
  readonly from: number;
}

/** The outcome of reading a file. */
type Attempt<T> =
  | { readonly is: 'read'; readonly value: T }
  | { readonly is: 'missing' }
  | { readonly is: 'faulty' };

/** A run as its files describe it. They are read on request, and only what is new. */
export class WatchedRun {
  readonly name: string;
  readonly folder: string;
  /** A real path that no link may lead out of. */
  readonly root: string;
  private readonly losses: Losses;
  private readonly settings: Settings;
  private readonly remarks: Remarks;
  private readonly grids: Grids;
  private progress: Progress | null = null;
  private pictures: readonly Picture[] = [];
  private samples: readonly Grid[] = [];
  private faults: readonly string[] = [];
  /** Whether there has ever been a config.json, and whether there is one now. */
  private seen = false;
  private there = false;
  /** Whether a part of the log is still to be read. */
  private behind = false;
  private read = 0;
  private reading: Promise<void> | null = null;

  /** @param root a real path that no link may lead out of */
  constructor(root: string, folder: string, name: string) {
    this.root = root;
    this.folder = folder;
    this.name = name;
    this.losses = new Losses(root, folder);
    this.settings = new Settings(root, folder);
    this.remarks = new Remarks(root, folder);
    this.grids = new Grids(root, join(folder, 'samples'));
  }

  /** The update for a page that has these buckets of steps and held-out losses. */
  async message(steps: Known, heldOuts: Known): Promise<RunMessage> {
    await this.refresh();
    const { losses } = this;
    const state = this.state();
    return {
      name: this.name,
      state,
      read: this.progress && this.progress.size > 0 ? this.progress.read / this.progress.size : 1,
      idle: this.idle(),
      totalSteps: this.totalSteps(),
      now: losses.recent.now(),
      heldOut: losses.heldOut,
      secondsLeft: state === 'stopped' || state === 'gone' ? null : this.secondsLeft(),
      steps: losses.steps.curve(steps.generation, steps.from),
      heldOuts: losses.heldOuts.curve(heldOuts.generation, heldOuts.from),
      samples: this.samples,
      pictures: this.pictures,
      memory: this.remarks.facts.memory ?? null,
      config: this.settings.rows,
      remarks: this.remarks.kept,
      faults: [...this.faults, ...losses.faults()],
    };
  }

  /** Concurrent requests share one read. */
  private async refresh(): Promise<void> {
    if (!this.behind && performance.now() - this.read < FRESH) return;
    this.reading ??= this.look().finally(() => {
      this.read = performance.now();
      this.reading = null;
    });
    await this.reading;
  }

  /** Missing files leave the last state as it was; the page says that they are gone. */
  private async look(): Promise<void> {
    const faults: string[] = [];
    const attempt = async <T>(what: string, action: () => Promise<T>): Promise<Attempt<T>> => {
      try {
        return { is: 'read', value: await action() };
      } catch (error) {
        if (isMissing(error)) return { is: 'missing' };
        faults.push(`${what}: ${reason(error)}`);
        return { is: 'faulty' };
      }
    };
    const { root, folder } = this;
    // The log before the config: a run writes its config first, so a known step always has its config.
    const log = await attempt('metrics.jsonl', () => this.losses.follow());
    if (log.is === 'read') this.progress = log.value;
    this.behind = log.is === 'read' && log.value.read < log.value.size;
    const config = await attempt('config.json', () => this.settings.follow());
    this.seen ||= config.is !== 'missing';
    this.there = config.is !== 'missing' && (log.is !== 'missing' || this.losses.steps.step === 0);
    await attempt('notes.jsonl', () => this.remarks.follow());
    const pictures = await attempt('pictures', () => picturesIn(root, folder));
    if (pictures.is === 'read') this.pictures = pictures.value;
    const samples = await attempt('samples', () => this.grids.follow());
    if (samples.is === 'read') this.samples = samples.value;
    this.faults = faults;
  }

  private state(): RunState {
    if (!this.there) return this.seen ? 'gone' : 'waiting';
    if (this.behind) return 'reading';
    if (this.remarks.kept.at(-1)?.kind === 'ended') return 'stopped';
    const { step } = this.losses.steps;
    const total = this.totalSteps();
    if (total !== null && step >= total) return 'finished';
    const idle = this.idle();
    if (idle === null || step === 0) return 'waiting';
    const steps = Math.max(QUIET_STEPS, QUIET_ROUNDS * this.settings.stepsPerRound);
    return idle > Math.max(QUIET_SECONDS, steps * this.secondsPerStep()) ? 'quiet' : 'training';
  }

  private idle(): number | null {
    return this.progress ? Math.max(0, (Date.now() - this.progress.modified) / 1000) : null;
  }

  private secondsPerStep(): number {
    return this.losses.recent.secondsPerStep(this.settings.imagesPerStep) ?? 0;
  }

  /** If the length is in epochs, the run says it with its first step. */
  private totalSteps(): number | null {
    return this.settings.steps ?? this.remarks.facts.totalSteps ?? null;
  }

  private secondsLeft(): number | null {
    const total = this.totalSteps();
    const pace = this.secondsPerStep();
    const left = (total ?? 0) - this.losses.steps.step;
    return total === null || pace === 0 || left <= 0 ? null : left * pace;
  }
}

/** Nothing is there, or a file where its folder was. */
const isMissing = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '');

const reason = (error: unknown): string =>
  systemReason(error) ?? (error instanceof Error ? error.message : String(error));
