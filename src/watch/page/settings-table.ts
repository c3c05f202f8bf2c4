/** The settings of runs side by side; differences are marked. */
import type { RunData } from './api.js';
import { byId, make, named, scrolling } from './dom.js';
import { shortened } from './words.js';

export class SettingsTable {
  private readonly section = byId('settings', HTMLElement);
  private readonly table = make('table');
  private readonly choice = byId('differences', HTMLElement);
  private readonly only = byId('only-differences', HTMLInputElement);
  private runs: readonly RunData[] = [];
  private shown = '';

  constructor() {
    byId('settings-table', HTMLElement).append(scrolling('Settings: table', this.table));
    this.only.addEventListener('change', () => this.draw());
  }

  update(runs: readonly RunData[]): void {
    this.runs = runs;
    this.draw();
  }

  private draw(): void {
    const { runs } = this;
    this.section.hidden = runs.every(({ config }) => config.length === 0);
    this.choice.hidden = runs.length < 2;
    const wanted = JSON.stringify([
      this.only.checked,
      runs.map(({ name, config }) => [name, config]),
    ]);
    if (wanted === this.shown) return;
    this.shown = wanted;
    const values = runs.map(({ config }) => new Map(config));
    const paths = [...new Set(runs.flatMap(({ config }) => config.map(([path]) => path)))];
    const rows = paths.flatMap((path) => {
      const cells = values.map((settings) => settings.get(path) ?? '');
      const differs = cells.some((cell) => cell !== cells[0]);
      if (this.only.checked && runs.length > 1 && !differs) return [];
      const head = make('th', { scope: 'row' }, path);
      const row = make('tr', differs ? { class: 'differs' } : {}, head);
      row.append(...cells.map((cell) => make('td', {}, cell)));
      return [row];
    });
    const heads = ['setting', ...runs.map(({ name }) => named(shortened(name)))];
    this.table.replaceChildren(
      make('caption', {}, 'Settings of config.json'),
      make('thead', {}, make('tr', {}, ...heads.map((head) => make('th', { scope: 'col' }, head)))),
      make('tbody', {}, ...rows),
    );
  }
}
