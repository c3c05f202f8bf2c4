/** A chart with a summary in words and a table, so that its content can also be read. */
import type { Line } from './chart-lines.js';
import { make, scrolling, setText } from './dom.js';
import { dataOf, Plot } from './plot.js';
import { short, whole } from './words.js';

/** The largest number of rows in a chart's table: all points of a short run, evenly spaced ones of a longer run. */
const ROWS = 50;

export class Chart {
  readonly element: HTMLElement;
  private readonly title: string;
  private readonly plot = new Plot();
  private readonly summary = make('p', { class: 'summary' });
  private readonly table = make('table');
  private readonly details: HTMLDetailsElement;
  private lines: readonly Line[] = [];

  constructor(title: string) {
    this.title = title;
    this.details = make(
      'details',
      {},
      make('summary', {}, 'As a table'),
      scrolling(`${title}: table`, this.table),
    );
    this.details.addEventListener('toggle', () => this.fillTable());
    this.element = make(
      'figure',
      { class: 'chart' },
      this.plot.element,
      this.summary,
      this.details,
    );
    this.element.hidden = true;
  }

  show(lines: readonly Line[], logarithmic = false): void {
    this.lines = lines;
    this.element.hidden = lines.every(({ x }) => x.length === 0);
    if (this.element.hidden) return;
    const summary = summaryOf(lines);
    this.plot.show(lines, `${this.title}. ${summary}`, logarithmic);
    setText(this.summary, summary);
    this.fillTable();
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
      make('caption', {}, every === 1 ? this.title : `${this.title}, one of every ${every} points`),
      make('thead', {}, make('tr', {}, ...head.map((text) => make('th', { scope: 'col' }, text)))),
      make('tbody', {}, ...rows.map((row) => make('tr', {}, ...cells(row)))),
    );
  }
}

/** Lines that are each put into words. */
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
    if (points.length === 1) return [`${label}: ${at(begin)}`];
    return [`${label}: ${at(begin)}, ${at(end)}, lowest ${at(low)}`];
  });
  if (said.length > DESCRIBED) return `${said.length} lines; the table has their points.`;
  return said.length === 0 ? '' : `${said.join('; ')}.`;
}
