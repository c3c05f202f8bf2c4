/** The loss curve of a run as a picture: every step faint, their moving mean bold, held-out losses as points. */
import { UsageError } from '../errors.js';
import { writeFileAtomically } from './atomic.js';
import type { Metrics } from './metrics.js';
import { extensionOf } from './output-path.js';

export interface Point {
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
  // Loaded when the first is drawn: most commands draw none.
  const { lossPicture } = await import('./loss-picture.js');
  const svg = lossPicture(curve);
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
