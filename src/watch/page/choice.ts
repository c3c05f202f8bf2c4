/** The chosen runs of a folder. The page's address keeps them, so that a reload or a shared link shows the same. */
import type { RunList } from '../messages.js';
import { byId, type Column, Columns, make, named } from './dom.js';

/** Number of runs shown before any is chosen: the newest ones. */
const AT_FIRST = 3;

export class Choice {
  private readonly section = byId('runs', HTMLFieldSetElement);
  private readonly boxes = byId('run-boxes', HTMLElement);
  private readonly listed = new Columns<{ readonly name: string }>(this.boxes, (name) =>
    this.boxOf(name),
  );
  private readonly onChange: () => void;

  constructor(onChange: () => void) {
    this.onChange = onChange;
  }

  update({ single, runs }: RunList): void {
    this.section.hidden = single;
    const isFirst = this.boxes.childElementCount === 0;
    this.listed.update(runs.map((name) => ({ name })));
    if (!isFirst) return;
    const kept = new URLSearchParams(location.hash.slice(1)).getAll(KEY);
    const found = runs.filter((name) => kept.includes(name));
    const chosen = found.length > 0 ? found : runs.slice(0, AT_FIRST);
    for (const box of this.all()) box.checked = chosen.includes(box.value);
  }

  /** Names of the chosen runs. */
  runs(): string[] {
    return this.all()
      .filter(({ checked }) => checked)
      .map(({ value }) => value);
  }

  private all(): HTMLInputElement[] {
    return [...this.boxes.querySelectorAll('input')];
  }

  private boxOf(name: string): Column<unknown> {
    const box = make('input', { type: 'checkbox', name: 'run', value: name });
    box.addEventListener('change', () => {
      const kept = new URLSearchParams(this.runs().map((run) => [KEY, run]));
      history.replaceState(null, '', `#${kept}`);
      this.onChange();
    });
    return { element: make('label', {}, box, named(name)), update: () => {} };
  }
}

/** The name of a chosen run in the address: `#run=a&run=b`. */
const KEY = 'run';
