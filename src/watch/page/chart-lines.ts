/** Makes the lines of charts from the data of runs. */
import type { Curve } from '../messages.js';
import type { RunData } from './api.js';
import { smoothed } from './smooth.js';
import { whole } from './words.js';

/** A line of a chart. */
export interface Line {
  readonly label: string;
  /** Index of a colour in page.css. */
  readonly colour: number;
  readonly look: 'faint' | 'bold' | 'points';
  /** Steps, ascending; lines with the same steps share the array. */
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
}

/** Colours of page.css. */
export const COLOURS = 8;

const QUARTERS = [
  ['q0', 'least noise (q0)'],
  ['q1', 'q1'],
  ['q2', 'q2'],
  ['q3', 'most noise (q3)'],
] as const;

/** The position of each bucket. */
const middles = ({ first, last }: Curve): number[] =>
  first.map((step, i) => Math.round((step + last[i]!) / 2));

/** Buckets per mean: a share of all, and at least 5, as in loss.png. */
const windowOf = ({ first }: Curve, share: number): number =>
  share === 0 ? 1 : Math.max(5, Math.round(first.length * share));

/** Losses of some runs in one chart: every step faint, their mean bold, held-out losses as points. */
export function lossLines(runs: readonly RunData[], share: number): Line[] {
  return runs.flatMap((run, i) => {
    const { steps, heldOuts } = run;
    const of = (text: string) => (runs.length === 1 ? text : `${shortened(run.name)}: ${text}`);
    // A single run has a colour for each of its lines; several runs have one each.
    const colour = (own: number) => (runs.length === 1 ? own : i % COLOURS);
    const x = middles(steps);
    const window = windowOf(steps, share);
    const faint = { colour: colour(0), look: 'faint', x } as const;
    // With more runs than colours, single steps would hide the means.
    const raw: Line[] =
      runs.length > COLOURS
        ? []
        : steps.width === 1
          ? [{ ...faint, label: of('each step'), y: steps.means.loss ?? [] }]
          : [
              { ...faint, label: of('lowest'), y: steps.lows.loss ?? [] },
              { ...faint, label: of('highest'), y: steps.highs.loss ?? [] },
            ];
    const mean: Line = {
      label: of(window === 1 ? 'mean' : `mean of ${whole(window * steps.width)} steps`),
      colour: colour(0),
      look: 'bold',
      x,
      y: smoothed(steps.means.loss ?? [], window),
    };
    const heldOut: Line = {
      label: of('held out'),
      colour: colour(1),
      look: 'points',
      x: middles(heldOuts),
      y: heldOuts.means.heldOutLoss ?? [],
    };
    return [...raw, mean, ...(heldOuts.first.length > 0 ? [heldOut] : [])];
  });
}

/** Mean losses of a run by quarters of the timesteps. */
export const quarterLines = ({ steps }: RunData, share: number): Line[] =>
  lines(
    steps,
    QUARTERS.map(([name, label]) => [name, label]),
    share,
  );

export const rateLines = ({ steps }: RunData, share: number): Line[] =>
  lines(steps, [['imagesPerSecond', 'images per second']], share);

/** Milliseconds of a step by part. */
export const partLines = ({ steps }: RunData, share: number): Line[] =>
  lines(
    steps,
    Object.keys(steps.means)
      .filter((name) => name.startsWith('ms '))
      .map((name) => [name, name.slice('ms '.length)]),
    share,
  );

function lines(steps: Curve, names: readonly (readonly [string, string])[], share: number): Line[] {
  const x = middles(steps);
  return names.flatMap(([name, label], i) => {
    const values = steps.means[name];
    if (!values) return [];
    const y = smoothed(values, windowOf(steps, share));
    return [{ label, colour: i % COLOURS, look: 'bold' as const, x, y }];
  });
}

/** Characters of a run's name in a legend. */
const LONGEST_NAME = 28;

const shortened = (name: string): string =>
  name.length <= LONGEST_NAME ? name : `${name.slice(0, LONGEST_NAME - 1)}…`;
