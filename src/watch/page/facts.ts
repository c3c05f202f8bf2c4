/** The numbers of a run as it stands. */
import type { RunData } from './api.js';
import { type Column, make, setText } from './dom.js';
import { duration, short, stateText, whole } from './words.js';

/** What is shown, by name; null where a run has it not. */
function factsOf(run: RunData): (readonly [string, string | null])[] {
  const { now, heldOut, totalSteps, secondsLeft } = run;
  const memory = run.remarks.findLast(({ text }) => text.startsWith('memory '));
  return [
    ['State', stateText(run)],
    ['Step', now && `${whole(now.step)}${totalSteps === null ? '' : ` of ${whole(totalSteps)}`}`],
    ['Epoch', now && whole(now.epoch)],
    ['Loss, last steps', now && short(now.loss)],
    ['Held-out loss', heldOut && `${short(heldOut.loss)} at step ${whole(heldOut.step)}`],
    ['Images a second', now && short(now.imagesPerSecond, 3)],
    ['Time left at this pace', secondsLeft === null ? null : duration(secondsLeft)],
    ['Learning rate', now && short(now.lr, 3)],
    ['Memory', memory ? memory.text.replace(/^memory +/, '').split(';')[0]! : null],
  ];
}

/** A card of a run; its name stands there where several are shown. */
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
      }
      fill(faults, run.faults);
    },
  };
}

/** What a run said, warnings first named as such. */
export function remarksColumn(name: string): Column<RunData> {
  const list = make('ul', { class: 'remarks' });
  const element = make('article', {}, make('h3', { class: 'run-name' }, name), list);
  return {
    element,
    update(run) {
      element.hidden = run.remarks.length === 0;
      fill(
        list,
        run.remarks.map(({ kind, text }) => (kind === 'warning' ? `Warning: ${text}` : text)),
      );
    },
  };
}

function fill(list: HTMLElement, texts: readonly string[]): void {
  const same =
    list.childElementCount === texts.length &&
    texts.every((text, i) => list.children[i]!.textContent === text);
  if (same) return;
  list.replaceChildren(
    ...texts.map((text) =>
      make('li', text.startsWith('Warning: ') ? { class: 'warning' } : {}, text),
    ),
  );
}
