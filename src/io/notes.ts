/**
 * A run's messages: notes.jsonl, one JSON object per line. It is for people who look at the run later, and for the page that shows
 * it; nothing else depends on it, so a failed write is retried with the next line, and never ends a run.
 */
import { appendFileSync, statSync } from 'node:fs';
import { isObject } from './json.js';
import { checkPlain } from './plain-file.js';

const KINDS = ['note', 'warning', 'ended'] as const;

/** A line for the user, and the last step before it. */
export interface Note {
  readonly step: number;
  /** `ended` says what ended the run before its last step. */
  readonly kind: (typeof KINDS)[number];
  readonly text: string;
  readonly facts?: NoteFacts;
}

/** What a note says in a form that programs read. */
export interface NoteFacts {
  /** Steps of the whole run. */
  readonly totalSteps?: number;
  /** `122.94 MiB`, and `for batches of 32`. */
  readonly memory?: readonly [amount: string, of: string];
}

/** Appends to a run's notes.jsonl, which is not created before `begin`: a refused run leaves nothing. */
export class NotesLog {
  private readonly path: string;
  private waiting: Note[] = [];
  private begun = false;

  constructor(path: string) {
    this.path = path;
  }

  /** Call once the run has a folder. */
  begin(): void {
    if (this.begun) return;
    this.begun = true;
    this.write();
  }

  add(note: Note): void {
    this.waiting.push(note);
    if (this.begun) this.write();
  }

  private write(): void {
    if (this.waiting.length === 0) return;
    try {
      const there = statSync(this.path, { throwIfNoEntry: false });
      // Before opening: a pipe would wait for its reader.
      if (there) checkPlain(this.path, there);
      const lines = this.waiting.map((note) => `${JSON.stringify(note)}\n`);
      appendFileSync(this.path, lines.join(''));
      this.waiting = [];
    } catch {
      // The folder was deleted, it is no plain file, or the disk is full: retried with the next line.
    }
  }
}

/** A line's note, or undefined if it is invalid. */
export function parseNote(line: string): Note | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isNote(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const isNote = (value: unknown): value is Note & Record<string, unknown> =>
  isObject(value) &&
  typeof value.step === 'number' &&
  typeof value.text === 'string' &&
  KINDS.some((kind) => kind === value.kind) &&
  isFacts(value.facts ?? {});

const isFacts = (value: unknown): value is NoteFacts =>
  isObject(value) &&
  (value.totalSteps === undefined || Number.isSafeInteger(value.totalSteps)) &&
  (value.memory === undefined || isMemory(value.memory));

const isMemory = (value: unknown): value is NoteFacts['memory'] =>
  Array.isArray(value) && value.length === 2 && value.every((text) => typeof text === 'string');
