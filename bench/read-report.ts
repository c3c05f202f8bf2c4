import { type Report, SUBJECTS } from '../src/bench/result.js';
import { UsageError } from '../src/errors.js';
import { isObject } from '../src/io/json.js';

type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === 'string';
const number: Check = (value) => Number.isFinite(value);
const texts: Check = (value) => isObject(value) && Object.values(value).every(text);

/** A list of objects, each with these fields. */
const list =
  (fields: Readonly<Record<string, Check>>, least = 0): Check =>
  (value) =>
    Array.isArray(value) &&
    value.length >= least &&
    value.every(
      (one) => isObject(one) && Object.entries(fields).every(([name, check]) => check(one[name])),
    );

const work = { subject: (v: unknown) => SUBJECTS.some((one) => one === v), what: text, by: text };
const rounds: Check = (value) => Array.isArray(value) && value.length > 0 && value.every(number);
const times = list({ layer: text, kind: text, ms: number }, 1);

const PARTS: Readonly<Record<keyof Report, Check>> = {
  machine: (value) => isObject(value) && number(value.memoryBytes),
  versions: (value) => texts(value) && isObject(value) && 'node' in value,
  results: list({ ...work, batch: number, size: number, ms: number, rounds }, 1),
  missing: list({ ...work, batch: number, size: number, why: text }),
  layers: list(
    {
      ...{ model: text, batch: number, size: number, threads: number, build: text },
      ...{ peak: number, bandwidth: number, forward: times, train: times },
    },
    1,
  ),
};

/**
 * A report of every subject, with layers, which the whole document can be filled from.
 * @throws UsageError for what is none, or was measured by another version, in one line that begins with `from`
 */
export function readReport(value: unknown, from: string): Report {
  const expected = `${from}: expected the output of haze bench all --layers --json by this version`;
  if (!isObject(value)) throw new UsageError(`${expected}, got no object`);
  for (const [part, check] of Object.entries(PARTS))
    if (!check(value[part])) throw new UsageError(`${expected}, got other ${part}`);
  const report = value as unknown as Report;
  for (const subject of SUBJECTS)
    if (!report.results.some((row) => row.subject === subject))
      throw new UsageError(`${expected}, got none of ${subject}`);
  return report;
}
