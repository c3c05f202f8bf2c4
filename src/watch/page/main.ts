/** The page of `haze watch`: asks the server for what is new, and shows it. */
import type { RunList } from '../messages.js';
import { getRun, getRuns, type RunData } from './api.js';
import { Charts } from './charts.js';
import { byId, Columns, make, setText } from './dom.js';
import { factsColumn, remarksColumn } from './facts.js';
import { picturesColumn, Samples } from './samples.js';
import { SettingsTable } from './settings-table.js';
import { stateText, whole } from './words.js';

/** Runs of a folder that are shown before any was chosen, the newest. */
const AT_FIRST = 3;
/** Milliseconds until a server is asked again that did not answer. */
const PATIENCE = 2000;
/** How much more rarely a page that nobody sees asks. */
const HIDDEN = 10;

const status = byId('status', HTMLElement);
const choice = byId('runs', HTMLFieldSetElement);
const boxes = byId('run-boxes', HTMLElement);
const facts = new Columns<RunData>(byId('fact-columns', HTMLElement), factsColumn);
const pictures = new Columns<RunData>(byId('picture-columns', HTMLElement), picturesColumn);
const remarks = new Columns<RunData>(byId('remark-columns', HTMLElement), remarksColumn);
const charts = new Charts();
const samples = new Samples();
const settings = new SettingsTable();

const known = new Map<string, RunData>();
let listed: readonly string[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;
let asking = false;

function showList({ place, single, runs }: RunList): void {
  setText(byId('place', HTMLElement), place);
  document.title = `${place} – Haze`;
  choice.hidden = single;
  if (runs.join('/') === listed.join('/')) return;
  const chosen = new Set(listed.length === 0 ? runs.slice(0, AT_FIRST) : chosenRuns());
  listed = runs;
  boxes.replaceChildren(
    ...runs.map((name) => {
      const box = make('input', { type: 'checkbox', name: 'run', value: name });
      box.checked = chosen.has(name);
      box.addEventListener('change', () => void ask());
      return make('label', {}, box, name);
    }),
  );
}

const chosenRuns = (): string[] =>
  [...boxes.querySelectorAll('input')].filter(({ checked }) => checked).map(({ value }) => value);

function show(runs: readonly RunData[]): void {
  document.body.classList.toggle('several', runs.length > 1);
  facts.update(runs);
  charts.update(runs);
  samples.update(runs);
  pictures.update(runs);
  byId('pictures', HTMLElement).hidden = runs.every((run) => run.pictures.length === 0);
  settings.update(runs);
  remarks.update(runs);
  byId('remarks', HTMLElement).hidden = runs.every((run) => run.remarks.length === 0);
  byId('quarters', HTMLElement).hidden = !runs.some(
    ({ steps }) => 'q0' in steps.means || 'q3' in steps.means,
  );
  byId('speed', HTMLElement).hidden = !runs.some(({ now }) => now !== null);
  setText(status, runs.map(announced).join('. '));
}

/** What is read out when it changes: states and new samples, not each step. */
function announced(run: RunData): string {
  const newest = run.samples.at(-1);
  const drawn = newest ? `, samples of step ${whole(newest[0])}` : '';
  // The seconds since its last step would be read out each second.
  const state = run.state === 'quiet' ? 'no step for a while' : stateText(run);
  return `${run.name}: ${state}${drawn}`;
}

/** Asks once for all runs that are shown, and then again after a while. */
async function ask(): Promise<void> {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  let pause = PATIENCE;
  try {
    const list = await getRuns();
    showList(list);
    const names = chosenRuns();
    const runs = await Promise.all(names.map((name) => getRun(name, known.get(name))));
    for (const run of runs) known.set(run.name, run);
    show(runs);
    const reading = runs.some(({ state }) => state === 'reading');
    pause = reading ? 0 : list.interval * (document.hidden ? HIDDEN : 1);
  } catch {
    setText(
      status,
      'The server does not answer: it was ended, or the network failed. Asking again.',
    );
  } finally {
    asking = false;
    timer = setTimeout(ask, pause);
  }
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void ask();
});
void ask();
