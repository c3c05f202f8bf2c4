/** A chart with a summary in words and a table, so that its content can also be read. */
import { COLOURS, type Line } from './chart-lines.js';
import { make, scrolling, setText } from './dom.js';
import { short, whole } from './words.js';

/** The largest number of rows in a chart's table: all points of a short run, evenly spaced ones of a longer run. */
const ROWS = 50;
const HEIGHT = 300;

export class Chart {
  readonly element: HTMLElement;
  private readonly title: string;
  private readonly plot = make('div', { class: 'plot' });
  private readonly summary = make('p', { class: 'summary' });
  private readonly table = make('table');
  private readonly details: HTMLDetailsElement;
  private lines: readonly Line[] = [];
  private logarithmic = false;
  private drawn: uPlot | null = null;
  /** Whether the lines are still to be drawn, e.g. because the chart had no width. */
  private stale = false;
  /** Identifies the set of lines; another set needs a new plot. */
  private made = '';

  constructor(title: string) {
    this.title = title;
    this.details = make(
      'details',
      {},
      make('summary', {}, 'As a table'),
      scrolling(`${title}: table`, this.table),
    );
    this.details.addEventListener('toggle', () => this.fillTable());
    this.element = make('figure', { class: 'chart' }, this.plot, this.summary, this.details);
    this.element.hidden = true;
    new ResizeObserver(() => this.resize()).observe(this.plot);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      this.made = '';
      this.draw();
    });
  }

  show(lines: readonly Line[], logarithmic = false): void {
    this.lines = lines;
    this.logarithmic = logarithmic;
    this.stale = true;
    this.element.hidden = lines.every(({ x }) => x.length === 0);
    if (this.element.hidden) return;
    this.draw();
    setText(this.summary, summaryOf(lines));
    this.fillTable();
  }

  private draw(): void {
    const width = this.plot.clientWidth;
    if (width === 0 || this.lines.length === 0) return;
    this.stale = false;
    const data = dataOf(this.lines);
    const wanted = JSON.stringify([
      this.lines.map(({ label, colour, look }) => [label, colour, look]),
      this.logarithmic,
    ]);
    if (this.drawn && wanted === this.made) {
      const zoomed = isZoomed(this.drawn);
      this.drawn.setData(data, !zoomed);
      if (zoomed) this.drawn.redraw();
    } else {
      this.drawn?.destroy();
      this.drawn = new uPlot(this.options(width), data, this.plot);
      this.made = wanted;
    }
    const canvas = this.plot.querySelector('canvas');
    canvas?.setAttribute('role', 'img');
    canvas?.setAttribute('aria-label', `${this.title}. ${summaryOf(this.lines)}`);
  }

  private options(width: number): uPlot.Options {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
    const axis: uPlot.Axis = {
      stroke: colour('quiet'),
      grid: { stroke: colour('line'), width: 1 },
      ticks: { stroke: colour('line'), width: 1 },
      font: '12px system-ui, sans-serif',
    };
    const many = (_: uPlot, values: number[]) => values.map((value) => short(value));
    return {
      width,
      height: HEIGHT,
      scales: { x: { time: false }, y: { distr: this.logarithmic ? 3 : 1 } },
      axes: [
        { ...axis, values: many },
        { ...axis, size: 64, values: many },
      ],
      series: [
        { label: 'step', value: (_, value) => short(value, 15) },
        ...this.lines.map((line): uPlot.Series => lookOf(line, colour)),
      ],
    };
  }

  private resize(): void {
    const width = this.plot.clientWidth;
    if (width === 0) return;
    if (this.drawn && this.drawn.width !== width) this.drawn.setSize({ width, height: HEIGHT });
    if (this.stale) this.draw();
  }

  private fillTable(): void {
    if (!this.details.open || this.lines.length === 0) return;
    const [x = [], ...columns] = dataOf(this.lines);
    const every = Math.max(1, Math.ceil(x.length / ROWS));
    const head = ['step', ...this.lines.map(({ label }) => label)];
    const rows = [...x].flatMap((step, i) =>
      i % every === 0 || i === x.length - 1
        ? [[whole(step), ...columns.map((column) => short(column[i], 6))]]
        : [],
    );
    const cells = (row: readonly string[]) =>
      row.map((text, i) => (i === 0 ? make('th', { scope: 'row' }, text) : make('td', {}, text)));
    this.table.replaceChildren(
      make('caption', {}, every === 1 ? this.title : `${this.title}, every ${every}th point`),
      make('thead', {}, make('tr', {}, ...head.map((text) => make('th', { scope: 'col' }, text)))),
      make('tbody', {}, ...rows.map((row) => make('tr', {}, ...cells(row)))),
    );
  }
}

function lookOf(
  { label, colour: number, look }: Line,
  colour: (name: string) => string,
): uPlot.Series {
  const stroke = colour(`colour-${number % COLOURS}`);
  const value = (_: uPlot, shown: number | null) => short(shown);
  const base: uPlot.Series = { label, value, spanGaps: true };
  switch (look) {
    case 'faint':
      return { ...base, stroke: `${stroke}70`, width: 1 };
    case 'bold':
      return { ...base, stroke, width: 2 };
    case 'points':
      return { ...base, stroke, width: 1, points: { show: true, size: 7, fill: stroke } };
    default:
      return look satisfies never;
  }
}

/** All lines over the union of their steps. */
function dataOf(lines: readonly Line[]): uPlot.AlignedData {
  const tables = lines.map(({ x, y }) => [[...x], [...y]] as uPlot.AlignedData);
  const [only] = tables;
  if (tables.length === 1) return only!;
  return uPlot.join(tables);
}

/** Whether a range of steps was selected with the mouse. */
function isZoomed({ data: [x], scales }: uPlot): boolean {
  const { min, max } = scales.x ?? {};
  return x.length > 1 && min != null && max != null && (min > x[0]! || max < x.at(-1)!);
}

/** The largest number of lines that the summary describes one by one. */
const DESCRIBED = 12;

/** `mean of 40 steps: 0.21 at step 1, 0.034 at step 800, lowest 0.033 at step 780.` */
function summaryOf(lines: readonly Line[]): string {
  const said = lines.flatMap(({ label, look, x, y }) => {
    const points = y.flatMap((value, i) => (value === null ? [] : [{ value, step: x[i]! }]));
    const [begin, end] = [points[0], points.at(-1)];
    if (look === 'faint' || !begin || !end) return [];
    const low = points.reduce((a, b) => (b.value < a.value ? b : a));
    const at = (p: { value: number; step: number }) =>
      `${short(p.value, 3)} at step ${whole(p.step)}`;
    return [`${label}: ${at(begin)}, ${at(end)}, lowest ${at(low)}`];
  });
  if (said.length > DESCRIBED) return `${said.length} lines; the table has their points.`;
  return said.length === 0 ? '' : `${said.join('; ')}.`;
}
