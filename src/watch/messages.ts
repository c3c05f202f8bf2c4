/**
 * What the server of `haze watch` sends and its page reads, as JSON: one description, which both sides compile. Names and values come
 * from a run's files, so the page shows all of them as text.
 */

/** Answer to `GET /runs`. */
export interface RunList {
  /** The path that is watched, as it was given. */
  readonly place: string;
  /** Whether that is one run, or a folder of runs. */
  readonly single: boolean;
  /** Names of the runs, the newest first. */
  readonly runs: readonly string[];
  /** Milliseconds after which the page asks again. */
  readonly interval: number;
}

/**
 * `waiting`: there is nothing yet. `reading`: its log is longer than what was read so far. `training`: a step came lately. `finished`: its
 * last step is taken. `stopped`: something ended it before that, which its newest remark says. `quiet`: no step for a while. `gone`: its
 * files were there and are no more.
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

/** A series that is thinned: a value a bucket of so many consecutive entries; null where they have none. */
export type Column = readonly (number | null)[];

/** Buckets from number `from` on. At most some thousand, however long the run is. */
export interface Curve {
  /** Another one means that all buckets are others: the page drops those that it has. */
  readonly generation: string;
  readonly from: number;
  /** Log entries in a bucket; with 1 the values are those of the log. */
  readonly width: number;
  /** The first and last step of each bucket. */
  readonly first: readonly number[];
  readonly last: readonly number[];
  /** Means by name: `loss`, `q0` … `q3`, `lr`, `imagesPerSecond`, `ms <part>`; of held-out losses `heldOutLoss`. */
  readonly means: Readonly<Record<string, Column>>;
  /** Smallest and largest value, of the series that are drawn as a band. */
  readonly lows: Readonly<Record<string, Column>>;
  readonly highs: Readonly<Record<string, Column>>;
}

/** The newest step, and what the last few of them were on average. */
export interface Now {
  readonly step: number;
  /** From 1. */
  readonly epoch: number;
  readonly loss: number | null;
  readonly lr: number | null;
  readonly imagesPerSecond: number | null;
}

/** Answer to `GET /run/<name>?steps=G.N&heldOut=G.N`, where N is the bucket from which the page wants those of generation G. */
export interface RunMessage {
  readonly name: string;
  readonly state: RunState;
  /** Share of the log that is read. */
  readonly read: number;
  /** Seconds since something was written to the log; null without one. */
  readonly idle: number | null;
  /** Steps of the whole run, where they are known. */
  readonly totalSteps: number | null;
  readonly now: Now | null;
  /** The last held-out loss and its step. */
  readonly heldOut: { readonly step: number; readonly loss: number } | null;
  /** Seconds to the last step at the present pace. */
  readonly secondsLeft: number | null;
  readonly steps: Curve;
  readonly heldOuts: Curve;
  /** Steps that there are samples of, rising, and a number that changes with each one's content. */
  readonly samples: readonly (readonly [step: number, version: number])[];
  readonly pictures: readonly Picture[];
  /** Settings by their path in config.json. */
  readonly config: readonly (readonly [path: string, value: string])[];
  readonly remarks: readonly Remark[];
  /** What is wrong with its files. */
  readonly faults: readonly string[];
}
