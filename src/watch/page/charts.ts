/** All charts of the page. */
import type { RunData } from './api.js';
import { Chart } from './chart.js';
import { type Line, lossLines, partLines, quarterLines, rateLines } from './chart-lines.js';
import { byId, type Column, Columns, make, runHeading } from './dom.js';
import { isolated } from './words.js';

export class Charts {
  private readonly smoothing = byId('smoothing', HTMLInputElement);
  private readonly smoothingText = byId('smoothing-text', HTMLElement);
  private readonly logarithmic = byId('logarithmic', HTMLInputElement);
  private readonly loss = new Chart('Loss by step');
  private readonly quarters = this.columnsOf('quarter-columns', [
    ['Loss by quarter of the way to noise', quarterLines],
  ]);
  private readonly speed = this.columnsOf('speed-columns', [
    ['Images per second', rateLines],
    ['Milliseconds by part', partLines],
  ]);
  private runs: readonly RunData[] = [];
  /** What was drawn: the charts of a run without new steps are not redrawn. */
  private drawn = '';

  constructor() {
    byId('loss-chart', HTMLElement).append(this.loss.element);
    for (const input of [this.smoothing, this.logarithmic])
      input.addEventListener('input', () => this.draw());
  }

  update(runs: readonly RunData[]): void {
    this.runs = runs;
    const version = versionOf(runs);
    if (version === this.drawn) return;
    this.drawn = version;
    this.draw();
  }

  private share(): number {
    return Number(this.smoothing.value) / 100;
  }

  private draw(): void {
    const text = this.share() === 0 ? 'off' : `${this.smoothing.value} % of all steps`;
    this.smoothing.setAttribute('aria-valuetext', text);
    this.smoothingText.textContent = text;
    this.loss.show(lossLines(this.runs, this.share()), this.logarithmic.checked);
    this.quarters.update(this.runs);
    this.speed.update(this.runs);
  }

  /** A column per run, with a chart for each title. */
  private columnsOf(
    id: string,
    kinds: readonly (readonly [string, (run: RunData, share: number) => Line[]])[],
  ): Columns<RunData> {
    return new Columns(byId(id, HTMLElement), (name): Column<RunData> => {
      const charts = kinds.map(([title, lines]) => ({
        title,
        lines,
        chart: new Chart(`${title}, ${isolated(name)}`),
      }));
      const element = make('article', {}, runHeading(name));
      for (const { title, chart } of charts) element.append(make('h3', {}, title), chart.element);
      return {
        element,
        update: (run) => {
          for (const { chart, lines } of charts) chart.show(lines(run, this.share()));
        },
      };
    });
  }
}

/** Differs if the charts do: the last step of a curve changes with each entry. */
const versionOf = (runs: readonly RunData[]): string =>
  JSON.stringify(
    runs.flatMap(({ name, steps, heldOuts }) => [
      name,
      ...[steps, heldOuts].flatMap(({ generation, last }) => [generation, last.at(-1) ?? 0]),
    ]),
  );
