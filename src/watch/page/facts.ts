/** The current numbers of a run. */
import type { RunData } from './api.js';
import { type Column, make, setText } from './dom.js';
import { duration, short, stateText, whole } from './words.js';

/** The facts by name; null for those that a run does not have. */
function factsOf(run: RunData): (readonly [string, string | null])[] {
  const { now, heldOut, totalSteps, secondsLeft } = run;
  const memory = run.remarks.findLast(({ text }) => text.startsWith('memory '));
  return [
    ['State', stateText(run)],
    ['Step', now && `${whole(now.step)}${totalSteps === null ? '' : ` of ${whole(totalSteps)}`}`],
    ['Epoch', now && whole(now.epoch)],
    ['Loss, last steps', now && short(now.loss)],
    ['Held-out loss', heldOut && `${short(heldOut.loss)} at step ${whole(heldOut.step)}`],
    ['Images per second', now && short(now.imagesPerSecond, 3)],
    ['Time left at this pace', secondsLeft === null ? null : duration(secondsLeft)],
    ['Learning rate', now && short(now.lr, 3)],
    ['Memory', memory ? memory.text.replace(/^memory +/, '').split(';')[0]! : null],
  ];
}

/** Length in characters from which a fact has a row of its own. */
const LONG = 40;

/** A card with the facts of a run, headed by its name. */
export function factsColumn(name: string): Column<RunData> {
  const list = make('dl');
  const faults = make('ul', { class: 'faults' });
  const element = make('article', {}, make('h3', { class: 'run-name' }, name), list, faults);
  return {
    element,
    update(run) {
      const facts = factsOf(run).filter((fact): fact is [string, string] => fact[1] !== null);
      if (list.childElementCount !== facts.length)
        list.replaceChildren(...facts.map(() => make('div', {}, make('dt'), make('dd'))));
      for (const [i, [term, value]] of facts.entries()) {
        const [dt, dd] = [...list.children[i]!.children] as [HTMLElement, HTMLElement];
        setText(dt, term);
        setText(dd, value);
        list.children[i]!.classList.toggle('wide', value.length > LONG);
      }
      fill(faults, run.faults);
    },
  };
}

const BEFORE = { note: '', warning: 'Warning: ', ended: 'Ended: ' } as const;

/** The remarks of a run; warnings and what ended it are marked. */
export function remarksColumn(name: string): Column<RunData> {
  const list = make('ul', { class: 'remarks' });
  const element = make('article', {}, make('h3', { class: 'run-name' }, name), list);
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
