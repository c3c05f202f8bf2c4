/** The current numbers of a run. */
import type { RunData } from './api.js';
import { type Column, make, runHeading, setText } from './dom.js';
import { duration, short, stateText, whole } from './words.js';

/** What is known of a run: its name, its value, and what it is the value of. */
type Fact = readonly [term: string, value: string, detail?: string];

/** The facts that a run has. */
function factsOf(run: RunData): Fact[] {
  const { now, heldOut, totalSteps, secondsLeft, memory } = run;
  const facts: (Fact | null)[] = [
    ['State', stateText(run)],
    now && ['Step', whole(now.step), totalSteps === null ? '' : `of ${whole(totalSteps)}`],
    now && ['Epoch', whole(now.epoch)],
    now && ['Loss, last steps', short(now.loss)],
    heldOut && ['Held-out loss', short(heldOut.loss), `at step ${whole(heldOut.step)}`],
    now && ['Images per second', short(now.imagesPerSecond, 3)],
    secondsLeft === null ? null : ['Time left at this pace', duration(secondsLeft)],
    now && ['Learning rate', short(now.lr, 3)],
    memory && ['Memory', ...memory],
  ];
  return facts.filter((fact) => fact !== null);
}

/** Length in characters from which a fact has a row of its own. */
const LONG = 40;

/** A card with the facts of a run, headed by its name. */
export function factsColumn(name: string): Column<RunData> {
  const list = make('dl');
  const faults = make('ul', { class: 'faults' });
  const element = make('article', {}, runHeading(name), list, faults);
  return {
    element,
    update(run) {
      const facts = factsOf(run);
      if (list.childElementCount !== facts.length) list.replaceChildren(...facts.map(emptyFact));
      for (const [i, [term, value, detail = '']] of facts.entries()) {
        const fact = list.children[i]!;
        const [dt, dd] = [...fact.children] as [HTMLElement, HTMLElement];
        setText(dt, term);
        setText(dd.children[0] as HTMLElement, value);
        setText(dd.children[1] as HTMLElement, detail);
        fact.classList.toggle('wide', value.length > LONG);
      }
      fill(faults, run.faults);
    },
  };
}

const emptyFact = (): HTMLElement =>
  make('div', {}, make('dt'), make('dd', {}, make('span'), ' ', make('small')));

const BEFORE = { note: '', warning: 'Warning: ', ended: 'Ended: ' } as const;

/** The remarks of a run; warnings and what ended it are marked. */
export function remarksColumn(name: string): Column<RunData> {
  const list = make('ul', { class: 'remarks' });
  const element = make('article', {}, runHeading(name), list);
  return {
    element,
    update(run) {
      element.hidden = run.remarks.length === 0;
      const texts = run.remarks.map(({ kind, text }) => `${BEFORE[kind]}${text}`);
      if (!fill(list, texts)) return;
      for (const [i, { kind }] of run.remarks.entries())
        list.children[i]!.classList.toggle('warning', kind !== 'note');
    },
  };
}

/** Whether the texts have changed. */
function fill(list: HTMLElement, texts: readonly string[]): boolean {
  const same =
    list.childElementCount === texts.length &&
    texts.every((text, i) => list.children[i]!.textContent === text);
  if (!same) list.replaceChildren(...texts.map((text) => make('li', {}, text)));
  return !same;
}
