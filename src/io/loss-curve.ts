/** The loss curve of a run as a picture: every step faint, the moving mean bold, held-out losses as points. */
import type { Mark, Spec } from 'vega';
import { UsageError } from '../errors.js';
import { writeFileAtomically } from './atomic.js';
import type { Metrics } from './metrics.js';
import { extensionOf } from './output-path.js';
import { toSvg } from './svg.js';

interface Point {
  readonly step: number;
  readonly loss: number;
}

/** The drawn data: losses of steps and their mean, and losses of held-out images. */
export interface LossCurve {
  readonly steps: readonly Point[];
  readonly mean: readonly Point[];
  readonly heldOut: readonly Point[];
  /** Steps per mean. */
  readonly window: number;
}

/**
 * Draws the losses of `metrics` at `path`, as SVG or PNG depending on its extension. PNG has twice the size, for
 * dense screens.
 * @throws UsageError if there is no loss to draw; RunError if the file cannot be written
 */
export async function writeLossCurve(path: string, metrics: readonly Metrics[]): Promise<void> {
  const curve = lossCurve(metrics);
  if (curve.steps.length + curve.heldOut.length === 0)
    throw new UsageError(`${path}: expected losses to draw, got a log without any`);
  const svg = await toSvg(spec(curve));
  await writeFileAtomically(path, extensionOf(path) === '.png' ? await toPng(svg) : svg);
}

/**
 * The series of the picture. The mean is over windows of a fiftieth of all steps, at least 5. Losses that
 * are not finite are omitted.
 */
export function lossCurve(metrics: readonly Metrics[]): LossCurve {
  const finite = (p: Point) => Number.isFinite(p.loss);
  const steps = metrics
    .flatMap((m) => ('loss' in m ? [{ step: m.step, loss: m.loss }] : []))
    .filter(finite);
  const heldOut = metrics
    .flatMap((m) => ('heldOutLoss' in m ? [{ step: m.step, loss: m.heldOutLoss }] : []))
    .filter(finite);
  const window = Math.max(5, Math.round(steps.length / 50));
  return { steps: thin(steps), mean: thin(movingMean(steps, window)), heldOut, window };
}

/** Each mean is drawn at the middle of its steps, so that it does not lag. */
function movingMean(points: readonly Point[], window: number): Point[] {
  const means: Point[] = [];
  let sum = 0;
  for (const [i, { loss }] of points.entries()) {
    sum += loss - (i >= window ? points[i - window]!.loss : 0);
    const middle = points[i - (window >> 1)];
    if (i >= window - 1 && middle) means.push({ step: middle.step, loss: sum / window });
  }
  return means;
}

/** At most about 4,000 points: more cannot be distinguished on 800 pixels, and make the SVG large. */
function thin(points: readonly Point[]): readonly Point[] {
  const every = Math.ceil(points.length / 4000);
  return every <= 1 ? points : points.filter((_, i) => i % every === 0);
}

async function toPng(svg: string): Promise<Buffer> {
  const { default: sharp } = await import('sharp');
  return sharp(Buffer.from(svg), { density: 144 })
    .flatten({ background: 'white' })
    .png()
    .toBuffer();
}

/** One series of the picture: its data's name, its label in the legend, its colour and stroke. */
interface Series {
  readonly name: string;
  readonly title: string;
  readonly points: readonly Point[];
  readonly colour: string;
  readonly stroke: number;
}

function spec({ steps, mean, heldOut, window }: LossCurve): Spec {
  const all: Series[] = [
    { name: 'steps', title: 'each step', points: steps, colour: '#a9cbe8', stroke: 1 },
    {
      name: 'mean',
      title: `mean of ${window} steps`,
      points: mean,
      colour: '#1f6fb4',
      stroke: 2.5,
    },
    { name: 'heldOut', title: 'held out', points: heldOut, colour: '#d9541e', stroke: 1 },
  ];
  const series = all.filter(({ points }) => points.length > 0);
  const over = (field: string) => ({ fields: series.map(({ name }) => ({ data: name, field })) });
  return {
    width: 760,
    height: 400,
    padding: 12,
    background: 'white',
    data: series.map(({ name, points }) => ({ name, values: [...points] })),
    scales: [
      { name: 'x', type: 'linear', range: 'width', zero: true, domain: over('step') },
      { name: 'y', type: 'linear', range: 'height', zero: true, nice: true, domain: over('loss') },
      {
        name: 'series',
        type: 'ordinal',
        domain: series.map(({ title }) => title),
        range: series.map(({ colour }) => colour),
      },
    ],
    axes: [
      {
        orient: 'bottom',
        scale: 'x',
        title: 'training step',
        tickCount: 8,
        tickMinStep: 1,
        ...TEXT,
      },
      { orient: 'left', scale: 'y', title: 'loss on the noise', grid: true, ...TEXT },
    ],
    legends: [{ fill: 'series', orient: 'top-right', symbolType: 'circle', labelFontSize: 12 }],
    marks: series.flatMap(marks),
  };
}

const TEXT = { labelFontSize: 12, titleFontSize: 13, titlePadding: 10, gridColor: '#e8e8e8' };

/** Up to this many points each one gets a dot: held-out losses and short runs. */
const FEW = 100;

/** A line, with dots if the points are few. */
function marks({ name, points, colour, stroke }: Series): Mark[] {
  const at = { x: { scale: 'x', field: 'step' }, y: { scale: 'y', field: 'loss' } };
  const line = { stroke: { value: colour }, strokeWidth: { value: stroke } };
  const dots = { fill: { value: colour }, size: { value: name === 'heldOut' ? 36 : 12 } };
  const from = { data: name };
  const lines: Mark = { type: 'line', from, encode: { enter: { ...at, ...line } } };
  const symbols: Mark = { type: 'symbol', from, encode: { enter: { ...at, ...dots } } };
  return points.length <= FEW ? [lines, symbols] : [lines];
}
