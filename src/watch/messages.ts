/**
 * What the server of `haze watch` sends and its page reads, as JSON: one description, which both sides compile. Names and values come
 * from a run's files, so the page shows all of them as text.
 */

/** Answer to `GET /runs`. */
export interface RunList {
  /** The watched path, as given. */
  readonly place: string;
  /** Whether it is a single run rather than a folder of runs. */
  readonly single: boolean;
  /** Names of the runs, the newest first. */
  readonly runs: readonly string[];
  /** Milliseconds after which the page asks again. */
  readonly interval: number;
}

/**
 * `waiting`: there is no step yet. `reading`: the log is not read to its end yet. `training`: a step was logged recently. `finished`: the last
 * step is logged. `stopped`: the run ended before that, and its newest remark says why. `quiet`: no step for a while. `gone`: its files were
 * deleted.
 */
export type RunState =
  | 'waiting'
  | 'reading'
  | 'training'
  | 'finished'
  | 'stopped'
  | 'quiet'
  | 'gone';

/** A picture of a run, and a number that changes with its content. */
export interface Picture {
  readonly name: string;
  readonly version: number;
}

/** A line of a run's notes.jsonl. */
export interface Remark {
  /** `ended` says what ended the run before its last step. */
  readonly kind: 'note' | 'warning' | 'ended';
  readonly text: string;
}

/** A thinned series: one value per bucket of consecutive entries; null if they have none. */
export type Column = readonly (number | null)[];

/** Buckets from number `from` on. Their number is limited, however long the run is. */
export interface Curve {
  /** If it changes, all buckets have changed, and the page drops the ones it has. */
  readonly generation: string;
  readonly from: number;
  /** Log entries per bucket; with 1 the values are those of the log. */
  readonly width: number;
  /** The first and last step of each bucket. */
  readonly first: readonly number[];
  readonly last: readonly number[];
  /** Means by name: `loss`, `q0` … `q3`, `lr`, `imagesPerSecond`, `ms <part>`; of held-out losses `heldOutLoss`. */
  readonly means: Readonly<Record<string, Column>>;
  /** Smallest and largest values of the series that are drawn as bands. */
  readonly lows: Readonly<Record<string, Column>>;
  readonly highs: Readonly<Record<string, Column>>;
}

/** The newest step, and means over the last few. */
export interface Now {
  readonly step: number;
  /** From 1. */
  readonly epoch: number;
  readonly loss: number | null;
  readonly lr: number | null;
  readonly imagesPerSecond: number | null;
}

/** Answer to `GET /run/<name>?steps=G.N&heldOut=G.N`: the page has the buckets of generation G before number N. */
export interface RunMessage {
  readonly name: string;
  readonly state: RunState;
  /** The share of the log that has been read. */
  readonly read: number;
  /** Seconds since the last write to the log; null without a log. */
  readonly idle: number | null;
  /** Steps of the whole run, if known. */
  readonly totalSteps: number | null;
  readonly now: Now | null;
  /** The last held-out loss and its step. */
  readonly heldOut: { readonly step: number; readonly loss: number } | null;
  /** Seconds to the last step at the current pace. */
  readonly secondsLeft: number | null;
  readonly steps: Curve;
  readonly heldOuts: Curve;
  /** Steps with samples, ascending, each with a number that changes with its content. */
  readonly samples: readonly (readonly [step: number, version: number])[];
  readonly pictures: readonly Picture[];
  /** Memory of the training and what it is for, as the run said; null if it did not. */
  readonly memory: readonly [amount: string, of: string] | null;
  /** Settings by their path in config.json. */
  readonly config: readonly (readonly [path: string, value: string])[];
  readonly remarks: readonly Remark[];
  /** Problems with its files. */
  readonly faults: readonly string[];
}
