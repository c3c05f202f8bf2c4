/** The page of `haze watch`: polls the server, and shows what is new. */
import type { RunList } from '../messages.js';
import { getRun, getRuns, type RunData, Unanswered } from './api.js';
import { hasQuarters } from './chart-lines.js';
import { Charts } from './charts.js';
import { Choice } from './choice.js';
import { byId, Columns, setText } from './dom.js';
import { factsColumn, remarksColumn } from './facts.js';
import { picturesColumn, Samples } from './samples.js';
import { SettingsTable } from './settings-table.js';
import { isolated, shortened, stateText, whole } from './words.js';

/** Milliseconds until the next request after a failed one. */
const PATIENCE = 2000;
/** The factor by which a hidden page polls less often. */
const HIDDEN = 10;

const status = byId('status', HTMLElement);
const choice = new Choice(() => void ask());
const facts = new Columns<RunData>(byId('fact-columns', HTMLElement), factsColumn);
const pictures = new Columns<RunData>(byId('picture-columns', HTMLElement), picturesColumn);
const remarks = new Columns<RunData>(byId('remark-columns', HTMLElement), remarksColumn);
const charts = new Charts();
const samples = new Samples();
const settings = new SettingsTable();

const known = new Map<string, RunData>();
let timer: ReturnType<typeof setTimeout> | undefined;
let asking = false;
/** Whether the choice of runs has changed since the last request. */
let asksAgain = false;

function showList(list: RunList): void {
  const { place } = list;
  setText(byId('place', HTMLElement), place);
  document.title = `${place} – Haze`;
  choice.update(list);
}

function show(runs: readonly RunData[]): void {
  document.body.classList.toggle('several', runs.length > 1);
  byId('now', HTMLElement).hidden = runs.length === 0;
  byId('loss', HTMLElement).hidden = runs.every(
    ({ steps, heldOuts }) => steps.first.length + heldOuts.first.length === 0,
  );
  facts.update(runs);
  charts.update(runs);
  samples.update(runs);
  pictures.update(runs);
  byId('pictures', HTMLElement).hidden = runs.every((run) => run.pictures.length === 0);
  settings.update(runs);
  remarks.update(runs);
  byId('remarks', HTMLElement).hidden = runs.every((run) => run.remarks.length === 0);
  byId('quarters', HTMLElement).hidden = !runs.some(hasQuarters);
  byId('speed', HTMLElement).hidden = !runs.some(({ now }) => now !== null);
  setText(status, statusOf(runs));
}

/** The largest number of runs described one by one; of more, the states are counted. */
const DESCRIBED = 4;

function statusOf(runs: readonly RunData[]): string {
  if (runs.length === 0) return 'No run is chosen.';
  if (runs.length <= DESCRIBED) return runs.map(announced).join('. ');
  const counts = new Map<string, number>();
  for (const { state } of runs) counts.set(state, (counts.get(state) ?? 0) + 1);
  return `${runs.length} runs: ${[...counts].map(([state, count]) => `${count} ${state}`).join(', ')}`;
}

/** Text that screen readers announce when it changes: states and new samples, not each step. */
function announced(run: RunData): string {
  const newest = run.samples.at(-1);
  const drawn = newest ? `, samples of step ${whole(newest[0])}` : '';
  // The seconds since the last step would be announced every second.
  const state = run.state === 'quiet' ? 'no step for a while' : stateText(run);
  return `${isolated(shortened(run.name))}: ${state}${drawn}`;
}

/** Requests all shown runs, and schedules the next request. */
async function ask(): Promise<void> {
  if (asking) {
    asksAgain = true;
    return;
  }
  asking = true;
  asksAgain = false;
  clearTimeout(timer);
  let pause = PATIENCE;
  try {
    pause = await askOnce();
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    setText(
      status,
      'The server does not answer: it has ended, or the network has failed. Trying again.',
    );
  } finally {
    asking = false;
    timer = setTimeout(ask, asksAgain ? 0 : pause);
  }
}

/** @returns milliseconds until the next request */
async function askOnce(): Promise<number> {
  const list = await getRuns();
  if (!list) throw new Unanswered('another server answers');
  showList(list);
  const answers = await Promise.all(choice.runs().map((name) => getRun(name, known.get(name))));
  const runs = answers.filter((run) => run !== undefined);
  for (const run of runs) known.set(run.name, run);
  show(runs);
  const reading = runs.some(({ state }) => state === 'reading');
  return reading ? 0 : list.interval * (document.hidden ? HIDDEN : 1);
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void ask();
});
void ask();
