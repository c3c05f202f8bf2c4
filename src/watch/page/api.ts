/** Requests to the server. Of the curves, only new buckets are requested. */
import type { Curve, RunList, RunMessage } from '../messages.js';
import { merged } from './merged.js';

/** A run as the page knows it; `steps` and `heldOuts` are complete. */
export type RunData = RunMessage;

/** Milliseconds after which the server counts as unreachable. */
const LONGEST_ANSWER = 20_000;

/** The server cannot be reached. */
export class Unanswered extends Error {}

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

/** @throws Unanswered */
export const getRuns = (): Promise<RunList | undefined> => getJson<RunList>('/runs');

/** Updates a run last known as `old`; undefined if it no longer exists. @throws Unanswered */
export async function getRun(name: string, old: RunData | undefined): Promise<RunData | undefined> {
  const steps = old?.steps ?? EMPTY;
  const heldOuts = old?.heldOuts ?? EMPTY;
  const query = new URLSearchParams({ steps: known(steps), heldOut: known(heldOuts) });
  const message = await getJson<RunMessage>(`/run/${encodeURIComponent(name)}?${query}`);
  return (
    message && {
      ...message,
      steps: merged(steps, message.steps),
      heldOuts: merged(heldOuts, message.heldOuts),
    }
  );
}

/** All but the last bucket, which may have grown. */
const known = ({ generation, first }: Curve): string =>
  `${generation}.${Math.max(0, first.length - 1)}`;

/** The JSON at an address; undefined if there is none. */
async function getJson<T>(path: string): Promise<T | undefined> {
  try {
    const signal = AbortSignal.timeout(LONGEST_ANSWER);
    const response = await fetch(path, { cache: 'no-store', signal });
    return response.ok ? ((await response.json()) as T) : undefined;
  } catch (cause) {
    throw new Unanswered('the server does not answer', { cause });
  }
}
