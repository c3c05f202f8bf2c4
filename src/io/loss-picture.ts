/** The picture of a loss curve, as SVG. */
import type { LossCurve, Point } from './loss-curve.js';
import { element, picture, pixel, type Scale, scaleFromZero, tickText, words } from './svg.js';

/** Pixels of the plot area, and of the margins for labels. */
const [WIDTH, HEIGHT] = [760, 400];
const [LEFT, TOP, RIGHT, BOTTOM] = [84, 20, 36, 64];

/** Series of up to this many points get a dot per point: held-out losses and short runs. */
const FEW = 100;

const [GREY, RULE, DARK] = ['#e8e8e8', '#888', '#222'];

/** One series of the picture: its name in the legend, its colour, stroke and the radius of its dots. */
interface Series {
  readonly title: string;
  readonly points: readonly Point[];
  readonly colour: string;
  readonly stroke: number;
  readonly radius: number;
}

/** Steps on the x axis, losses on the y axis, both from zero. Draws the series of `curve` that have points; at least one must. */
export function lossPicture(curve: LossCurve): string {
  const series = seriesOf(curve).filter(({ points }) => points.length > 0);
  const all = series.flatMap(({ points }) => points);
  const x = scaleFromZero({ values: all.map((p) => p.step), range: [0, WIDTH], count: 8 });
  const losses = all.map((p) => p.loss);
  const y = scaleFromZero({ values: losses, range: [HEIGHT, 0], count: 8, nice: true });
  return picture(
    LEFT + WIDTH + RIGHT,
    TOP + HEIGHT + BOTTOM,
    `The loss by training step: ${series.map(({ title }) => title).join(', ')}`,
    element(
      'g',
      { transform: `translate(${LEFT},${TOP})`, 'font-size': 12, fill: DARK },
      ...lossAxis(y),
      ...stepAxis(x),
      ...series.flatMap((one) => drawn(one, x, y)),
      ...legend(series),
    ),
  );
}

function seriesOf({ steps, mean, heldOut, window }: LossCurve): Series[] {
  const [pale, blue, orange] = ['#a9cbe8', '#1f6fb4', '#d9541e'];
  return [
    { title: 'each step', points: steps, colour: pale, stroke: 1, radius: 2 },
    { title: `mean of ${window} steps`, points: mean, colour: blue, stroke: 2.5, radius: 2 },
    { title: 'held out', points: heldOut, colour: orange, stroke: 1, radius: 3.4 },
  ];
}

const line = (x1: number, y1: number, x2: number, y2: number, stroke: string): string =>
  element('line', { x1: pixel(x1), y1: pixel(y1), x2: pixel(x2), y2: pixel(y2), stroke });

function lossAxis(y: Scale): string[] {
  const marks = y.ticks.flatMap((value) => [
    line(0, y.at(value), WIDTH, y.at(value), GREY),
    words(tickText(value), -8, y.at(value) + 4, { 'text-anchor': 'end' }),
  ]);
  const turned = { transform: 'rotate(-90)', 'text-anchor': 'middle', 'font-size': 13 };
  const title = words('loss on the noise', -HEIGHT / 2, 16 - LEFT, turned);
  return [...marks, line(0, 0, 0, HEIGHT, RULE), title];
}

function stepAxis(x: Scale): string[] {
  // No ticks between steps.
  const marks = x.ticks
    .filter(Number.isInteger)
    .flatMap((value) => [
      line(x.at(value), HEIGHT, x.at(value), HEIGHT + 5, RULE),
      words(tickText(value), x.at(value), HEIGHT + 19, { 'text-anchor': 'middle' }),
    ]);
  const centred = { 'text-anchor': 'middle', 'font-size': 13 };
  const title = words('training step', WIDTH / 2, HEIGHT + 46, centred);
  return [line(0, HEIGHT, WIDTH, HEIGHT, RULE), ...marks, title];
}

/** A line, with dots if there are few points. */
function drawn({ points, colour, stroke, radius }: Series, x: Scale, y: Scale): string[] {
  const places = points.map(({ step, loss }) => [pixel(x.at(step)), pixel(y.at(loss))] as const);
  const path = {
    points: places.map((place) => place.join(',')).join(' '),
    ...{ fill: 'none', stroke: colour, 'stroke-width': stroke, 'stroke-linejoin': 'round' },
  };
  const dots = places.map(([cx, cy]) => element('circle', { cx, cy, r: radius, fill: colour }));
  return [element('polyline', path), ...(points.length <= FEW ? dots : [])];
}

/** Pixels of the legend's rows, and of its longest name. */
const [ROW, WORDS] = [18, 130];

/** At the top right, where a falling loss leaves room. */
function legend(series: readonly Series[]): string[] {
  return series.flatMap(({ title, colour }, i) => {
    const y = 14 + ROW * i;
    return [
      element('circle', { cx: WIDTH - WORDS - 10, cy: y - 4, r: 5, fill: colour }),
      words(title, WIDTH - WORDS, y),
    ];
  });
}
