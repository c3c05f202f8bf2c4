/** Samples by step, the same for all runs, and the runs' other pictures. */
import type { RunData } from './api.js';
import { byId, type Column, Columns, make, named, runHeading, setText } from './dom.js';
import { isolated, whole } from './words.js';

export class Samples {
  private readonly section = byId('samples', HTMLElement);
  private readonly slider = byId('step', HTMLInputElement);
  private readonly label = byId('step-text', HTMLElement);
  private readonly back = byId('back', HTMLButtonElement);
  private readonly forth = byId('forth', HTMLButtonElement);
  private readonly columns = new Columns<RunData>(byId('sample-columns', HTMLElement), (name) =>
    this.column(name),
  );
  private runs: readonly RunData[] = [];
  /** All steps for which a run has samples. */
  private steps: readonly number[] = [];
  /** The step to show; null follows the newest. */
  private chosen: number | null = null;

  constructor() {
    this.slider.addEventListener('input', () => this.choose(Number(this.slider.value)));
    this.back.addEventListener('click', () => this.choose(this.index() - 1));
    this.forth.addEventListener('click', () => this.choose(this.index() + 1));
  }

  update(runs: readonly RunData[]): void {
    this.runs = runs;
    const steps = new Set(runs.flatMap(({ samples }) => samples.map(([step]) => step)));
    this.steps = [...steps].sort((a, b) => a - b);
    this.draw();
  }

  private choose(index: number): void {
    const at = Math.min(Math.max(0, index), this.steps.length - 1);
    this.chosen = at === this.steps.length - 1 ? null : this.steps[at]!;
    this.draw();
  }

  private index(): number {
    const newest = this.steps.length - 1;
    if (this.chosen === null) return newest;
    const at = this.steps.findLastIndex((step) => step <= this.chosen!);
    return at < 0 ? 0 : at;
  }

  private draw(): void {
    this.section.hidden = this.steps.length === 0;
    if (this.section.hidden) return;
    const index = this.index();
    const text = `step ${whole(this.steps[index]!)}`;
    this.slider.max = String(this.steps.length - 1);
    this.slider.value = String(index);
    this.slider.setAttribute('aria-valuetext', text);
    setText(this.label, `${text}, ${index + 1} of ${this.steps.length}`);
    this.back.disabled = index === 0;
    this.forth.disabled = index === this.steps.length - 1;
    this.columns.update(this.runs);
  }

  private column(name: string): Column<RunData> {
    const image = make('img', { class: 'pixels' });
    const caption = make('figcaption');
    const element = make('article', {}, runHeading(name), make('figure', {}, image, caption));
    /** The step whose samples are shown, and where they are. */
    let at = 0;
    let source = '';
    image.addEventListener('error', () => {
      image.hidden = true;
      setText(caption, `After step ${whole(at)}: the picture is gone`);
    });
    return {
      element,
      update: ({ samples }) => {
        const shown = this.steps[this.index()]!;
        const found = samples.findLast(([step]) => step <= shown);
        const next = found ? address(name, `samples/step-${found[0]}.png`, found[1]) : '';
        if (found && next === source) return;
        source = next;
        image.hidden = !found;
        if (!found) {
          setText(caption, samples.length === 0 ? 'No samples' : 'No samples so early');
          return;
        }
        setText(caption, `After step ${whole(found[0])}`);
        at = found[0];
        image.alt = `Samples of ${isolated(name)} after step ${whole(at)}`;
        image.src = source;
      },
    };
  }
}

/** Film strips and other pictures in a run's folder. */
export function picturesColumn(name: string): Column<RunData> {
  const list = make('div');
  const element = make('article', {}, runHeading(name), list);
  let shown = '';
  return {
    element,
    update: ({ pictures }) => {
      element.hidden = pictures.length === 0;
      const wanted = JSON.stringify(pictures);
      if (wanted === shown) return;
      shown = wanted;
      list.replaceChildren(
        ...pictures.map((picture) => {
          const image = make('img', {
            class: 'pixels',
            alt: `${isolated(picture.name)} of ${isolated(name)}`,
            src: address(name, encodeURIComponent(picture.name), picture.version),
          });
          return make('figure', {}, image, make('figcaption', {}, named(picture.name)));
        }),
      );
    },
  };
}

const address = (run: string, path: string, version: number): string =>
  `/picture/${encodeURIComponent(run)}/${path}?v=${version}`;
