/** Makes the lines of charts from the data of runs. */
import type { Curve } from '../messages.js';
import type { RunData } from './api.js';
import { smoothed } from './smooth.js';
import { isolated, shortened, whole } from './words.js';

/** A line of a chart. */
export interface Line {
  /** Stays when the label changes, as that of a mean over more steps. */
  readonly key: string;
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

/** Quarters of the timesteps by their names in a curve. */
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
export const lossLines = (runs: readonly RunData[], share: number): Line[] =>
  runs.flatMap((run, i) => {
    if (runs.length === 1) return linesOf(run, share, true, [0, 1]);
    const before = `${isolated(shortened(run.name))}: `;
    // A single run has a colour for each of its lines; several runs have one each.
    const colour = i % COLOURS;
    // Of more runs than there are colours, single steps would hide the rest.
    return linesOf(run, share, runs.length <= COLOURS, [colour, colour]).map((line) => ({
      ...line,
      label: before + line.label,
    }));
  });

/** @param each whether every step has its place, too */
function linesOf(
  { name, steps, heldOuts }: RunData,
  share: number,
  each: boolean,
  [own, other]: readonly [number, number],
): Line[] {
  const x = middles(steps);
  const window = windowOf(steps, share);
  const line = (label: string, y: Line['y'] | undefined, rest: Partial<Line> = {}): Line => ({
    ...{ key: `${label} ${name}`, label, colour: own, look: 'faint', x, y: y ?? [] },
    ...rest,
  });
  const { means, lows, highs } = steps;
  const raw =
    steps.width === 1
      ? [line('each step', means.loss)]
      : [line('lowest', lows.loss), line('highest', highs.loss)];
  const label = window === 1 ? 'mean' : `mean of ${whole(window * steps.width)} steps`;
  const mean = line('mean', smoothed(means.loss ?? [], window), { label, look: 'bold' });
  const x2 = middles(heldOuts);
  const points = { colour: other, look: 'points', x: x2 } as const;
  const heldOut = line('held out', heldOuts.means.heldOutLoss, points);
  return [...(each ? raw : []), mean, ...(x2.length > 0 ? [heldOut] : [])];
}

/** Whether a log says how the loss depends on the timestep. */
export const hasQuarters = ({ steps }: RunData): boolean =>
  QUARTERS.some(([name]) => name in steps.means);

/** Mean losses of a run by quarters of the timesteps. */
export const quarterLines = ({ steps }: RunData, share: number): Line[] =>
  lines(steps, QUARTERS, share);

export const rateLines = ({ steps }: RunData, share: number): Line[] =>
  lines(steps, [['imagesPerSecond', 'images per second']], share);

/** Milliseconds of a step, or of a round that workers train, by part. */
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
  return names.flatMap(([key, label], i) => {
    const values = steps.means[key];
    if (!values) return [];
    const y = smoothed(values, windowOf(steps, share));
    return [{ key, label, colour: i % COLOURS, look: 'bold' as const, x, y }];
  });
}
