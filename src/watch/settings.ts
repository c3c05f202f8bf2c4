/** A run's config.json as the page shows it, and the settings that the page's numbers need. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { imagesOfStep } from '../config/replicas.js';
import { isObject } from '../io/json.js';
import { type Json, readJsonFile } from '../io/run.js';
import { inside } from './inside.js';

/** Limits for the rows of the table of settings, and for the characters of a path or value. */
const MOST_ROWS = 500;
const LONGEST_TEXT = 500;

export type Row = readonly [path: string, value: string];

/** Reads config.json again when it has changed. */
export class Settings {
  rows: readonly Row[] = [];
  /** Images per step; 1 if config.json does not say. */
  imagesPerStep = 1;
  /** Steps whose lines a queue may log at once. */
  stepsPerRound = 1;
  steps: number | null = null;
  private readonly root: string;
  private readonly path: string;
  private version = '';

  constructor(root: string, folder: string) {
    this.root = root;
    this.path = join(folder, 'config.json');
  }

  /** @throws the system's error if there is no config.json; UsageError if it cannot be read */
  async follow(): Promise<void> {
    const path = await inside(this.root, this.path);
    const { mtimeMs, ino, size } = await stat(path);
    const version = `${mtimeMs} ${ino} ${size}`;
    if (version === this.version) return;
    this.take(await readJsonFile(path));
    this.version = version;
  }

  private take(config: Json): void {
    this.rows = rowsOf(config).slice(0, MOST_ROWS);
    const training = isObject(config.training) ? config.training : {};
    const { steps, batch, accumulate, replicas, syncEvery } = training;
    this.steps = positive(steps);
    this.stepsPerRound = positive(syncEvery) ?? 1;
    this.imagesPerStep = imagesOfStep({
      batch: positive(batch) ?? 1,
      accumulate: positive(accumulate) ?? 1,
      replicas: positive(replicas) ?? 1,
    });
  }
}

const positive = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null;

/** `training.batch` and its value, in the order of the file. Lists are values. */
function rowsOf(value: unknown, path = ''): Row[] {
  if (isObject(value))
    return Object.entries(value).flatMap(([name, inner]) =>
      rowsOf(inner, shortened(path === '' ? name : `${path}.${name}`)),
    );
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return [[path, shortened(text)]];
}

const shortened = (text: string): string =>
  text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT)} …`;
