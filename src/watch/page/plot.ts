/** The picture of a chart, by uPlot. Hidden lines and the zoom survive a redraw. */
import { COLOURS, type Line } from './chart-lines.js';
import { make } from './dom.js';
import { short } from './words.js';

const HEIGHT = 300;

/** Tick spacings on the axis of steps: whole steps only. */
const WHOLE = Array.from({ length: 15 }, (_, power) => 10 ** power).flatMap((ten) => [
  ten,
  2 * ten,
  5 * ten,
]);

export class Plot {
  readonly element = make('div', { class: 'plot' });
  private lines: readonly Line[] = [];
  private label = '';
  private logarithmic = false;
  private drawn: uPlot | null = null;
  /** Whether the lines are still to be drawn, e.g. because the chart had no width. */
  private stale = false;
  /** Identifies the lines and their look; others need a new plot. */
  private made = '';
  private keys = '';
  /** Keys of the lines that the legend hides. */
  private readonly hidden = new Set<string>();

  constructor() {
    new ResizeObserver(() => this.resize()).observe(this.element);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      this.made = '';
      this.draw();
    });
  }

  /** @param label the picture in words */
  show(lines: readonly Line[], label: string, logarithmic: boolean): void {
    this.lines = lines;
    this.label = label;
    this.logarithmic = logarithmic;
    this.stale = true;
    this.draw();
  }

  private draw(): void {
    const { lines, logarithmic } = this;
    const width = this.element.clientWidth;
    if (width === 0 || lines.length === 0) return;
    this.stale = false;
    const data = dataOf(lines);
    const looks = lines.map(({ key, label, colour, look }) => [key, label, colour, look]);
    const wanted = JSON.stringify([looks, logarithmic]);
    const chosen = this.drawn && chosenOf(this.drawn);
    if (this.drawn && wanted === this.made) {
      this.drawn.setData(data, !chosen);
      if (chosen) this.drawn.redraw();
    } else {
      const keys = JSON.stringify(lines.map(({ key }) => key));
      this.replace(width, data);
      if (chosen && keys === this.keys) this.drawn?.setScale('x', chosen);
      this.made = wanted;
      this.keys = keys;
    }
    const canvas = this.element.querySelector('canvas');
    canvas?.setAttribute('role', 'img');
    canvas?.setAttribute('aria-label', this.label);
  }

  /** Makes a new plot. The legend keeps the keyboard focus, and the page does not jump. */
  private replace(width: number, data: uPlot.AlignedData): void {
    const { element } = this;
    const focused = this.labels().indexOf(document.activeElement as HTMLElement);
    element.style.minHeight = `${element.offsetHeight}px`;
    this.drawn?.destroy();
    this.drawn = new uPlot(this.options(width), data, element);
    element.style.minHeight = '';
    for (const label of this.labels()) {
      label.tabIndex = 0;
      label.setAttribute('role', 'button');
      label.addEventListener('keydown', (event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        label.click();
      });
    }
    this.press();
    this.labels()[focused]?.focus({ preventScroll: true });
  }

  /** Labels of the legend that hide and show their lines; the first one is that of the steps. */
  private labels(): HTMLElement[] {
    return [...this.element.querySelectorAll<HTMLElement>('.u-label')].slice(1);
  }

  private press(): void {
    for (const [i, label] of this.labels().entries())
      label.setAttribute('aria-pressed', String(!this.hidden.has(this.lines[i]?.key ?? '')));
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
        { ...axis, incrs: WHOLE, values: many },
        { ...axis, size: 64, values: many },
      ],
      series: [
        { label: 'step', value: (_, value) => short(value, 15) },
        ...this.lines.map(
          (line): uPlot.Series => ({
            ...lookOf(line, colour),
            show: !this.hidden.has(line.key),
          }),
        ),
      ],
      hooks: { setSeries: [(plot) => this.remember(plot)] },
    };
  }

  private remember({ series }: uPlot): void {
    for (const [i, { key }] of this.lines.entries())
      if (series[i + 1]?.show === false) this.hidden.add(key);
      else this.hidden.delete(key);
    this.press();
  }

  private resize(): void {
    const width = this.element.clientWidth;
    if (width === 0) return;
    if (this.drawn && this.drawn.width !== width) this.drawn.setSize({ width, height: HEIGHT });
    if (this.stale) this.draw();
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
export function dataOf(lines: readonly Line[]): uPlot.AlignedData {
  const tables = lines.map(({ x, y }) => [[...x], [...y]] as uPlot.AlignedData);
  const [only] = tables;
  if (tables.length === 1) return only!;
  return uPlot.join(tables);
}

/** The range of steps selected with the mouse; null for all. */
function chosenOf({ data: [x], scales }: uPlot): { min: number; max: number } | null {
  const { min, max } = scales.x ?? {};
  const isChosen = x.length > 1 && min != null && max != null && (min > x[0]! || max < x.at(-1)!);
  return isChosen ? { min, max } : null;
}
