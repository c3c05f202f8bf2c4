/** What the server sends, kept: of the curves only what is new is asked for. */
import type { Curve, RunList, RunMessage } from '../messages.js';
import { merged } from './merged.js';

/** A run as far as the page knows it; `steps` and `heldOuts` are whole. */
export type RunData = RunMessage;

const EMPTY: Curve = {
  generation: '',
  from: 0,
  width: 1,
  first: [],
  last: [],
  means: {},
  lows: {},
  highs: {},
};

export const getRuns = (): Promise<RunList> => getJson<RunList>('/runs');

/** The run as it is now, after it was known as `old`. */
export async function getRun(name: string, old: RunData | undefined): Promise<RunData> {
  const steps = old?.steps ?? EMPTY;
  const heldOuts = old?.heldOuts ?? EMPTY;
  const query = new URLSearchParams({ steps: known(steps), heldOut: known(heldOuts) });
  const message = await getJson<RunMessage>(`/run/${encodeURIComponent(name)}?${query}`);
  return {
    ...message,
    steps: merged(steps, message.steps),
    heldOuts: merged(heldOuts, message.heldOuts),
  };
}

/** All but the last bucket, which may have grown. */
const known = ({ generation, first }: Curve): string =>
  `${generation}.${Math.max(0, first.length - 1)}`;

async function getJson<T>(path: string): Promise<T> {
  const response = await fetch(path, { cache: 'no-store' });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as T;
}
